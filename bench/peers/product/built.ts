import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../..');
/** Where packages are found from. */
const OUT = join(ROOT, 'node_modules/.cache/layermover-peers');
let program: string | undefined;

/** The program of process.ts as JavaScript, made once: so does the package ship it, and it need not be translated at each start. */
export function builtProcess(): string {
  if (program !== undefined) return program;
  const tsc = createRequire(import.meta.url).resolve('typescript/package.json');
  execFileSync(process.execPath, [join(tsc, '../bin/tsc'), '--project', import.meta.dirname, '--outDir', OUT], {
    stdio: 'inherit',
  });
  writeFileSync(join(OUT, 'package.json'), JSON.stringify({ type: 'module' }));
  program = join(OUT, 'bench/peers/product/process.js');
  return program;
}
