import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { bundleFunctions } from './bundle.ts';

/**
 * `npm run build`: makes dist/, which is what the package holds: all but tests as JavaScript with types, the functions' bundles,
 * and the command. Node runs no TypeScript below node_modules.
 */
const ROOT = path.resolve(import.meta.dirname, '..');
const dist = path.join(ROOT, 'dist');
const tsc = createRequire(import.meta.url).resolve('typescript/package.json');

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [path.join(tsc, '../bin/tsc'), '--project', 'tsconfig.build.json'], {
  cwd: ROOT,
  stdio: 'inherit',
});
bundleFunctions(path.join(dist, 'bundles'));
cpSync(path.join(ROOT, 'bin/layermover.js'), path.join(dist, 'bin/layermover.js'));
const { name, version, type } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
writeFileSync(path.join(dist, 'package.json'), `${JSON.stringify({ name, version, type }, null, 2)}\n`);
