import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { FUNCTIONS } from '../functions/settings.ts';
import { type Bundles, bundlesIn } from './bundles.ts';

const ROOT = path.resolve(import.meta.dirname, '..');

/** Parts of the AWS SDK are CommonJS and ask for Node's modules by `require`, which an ES module does not have. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** Bundles all functions at once, below `outDir`. The same sources give the same bytes, wherever that is. */
export function bundleFunctions(outDir: string): Bundles {
  const { outputFiles } = buildSync({
    entryPoints: FUNCTIONS.map((name) => ({
      in: path.join(ROOT, 'functions', name, 'index.ts'),
      out: `${name}/index`,
    })),
    absWorkingDir: ROOT,
    outdir: path.join(ROOT, 'dist'),
    outExtension: { '.js': '.mjs' },
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    banner: { js: REQUIRE },
    logLevel: 'warning',
  });
  for (const file of outputFiles) {
    const target = path.join(outDir, path.relative(path.join(ROOT, 'dist'), file.path));
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, file.contents);
  }
  return bundlesIn(outDir);
}
