import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { LayerMoverError } from '../core/errors.ts';

const ROOT = path.resolve(import.meta.dirname, '..');

/** All that the assembly is made of: sources here, JavaScript and the functions' bundles in the package. */
const SOURCES = ['core', 'adapters', 'functions', 'infra', 'bundles'];
const VERSIONS = ['package-lock.json', 'package.json'];
const EXTENSION = path.extname(import.meta.filename);

const SYNTH_MS_MAX = 120_000;
/** An assembly that nobody has asked for so long is removed; a cloud that runs may still read it before. */
const KEPT_MS = 24 * 3600_000;

/** Where assemblies are kept: in the sources for all clouds; the package may lie where nobody may write, so with a cloud's data. */
export function assembliesFor(dataDir: string): string {
  return EXTENSION === '.ts' ? path.join(ROOT, 'cdk.out') : path.join(dataDir, 'assemblies');
}

/**
 * The assembly of the CDK app as the sources are now, in a folder of `outDir` named after their digest; made if it is not
 * there yet. Several processes may ask at the same time. Throws SYNTH_FAILED.
 */
export function synthesize(outDir: string): string {
  const assembly = path.join(outDir, sourcesDigest().slice(0, 16));
  mkdirSync(outDir, { recursive: true });
  if (!existsSync(assembly)) make(assembly);
  const now = new Date();
  utimesSync(assembly, now, now);
  removeOld(outDir, now.getTime());
  return assembly;
}

/** SHA-256 (hex) of names and contents of all sources. */
function sourcesDigest(): string {
  const digest = createHash('sha256');
  const versions = VERSIONS.filter((file) => existsSync(path.join(ROOT, file)));
  for (const file of [...versions.slice(0, 1), ...SOURCES.flatMap(filesIn)]) {
    digest
      .update(`${file}\0`)
      .update(readFileSync(path.join(ROOT, file)))
      .update('\0');
  }
  return digest.digest('hex');
}

function filesIn(folder: string): string[] {
  if (!existsSync(path.join(ROOT, folder))) return [];
  const names = readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith(EXTENSION) || name.endsWith('.mjs'))
    .sort()
    .map((name) => path.join(folder, name));
}

/** Writes the assembly beside its place and moves it there when it is whole. */
function make(assembly: string): void {
  const draft = `${assembly}.${process.pid}`;
  const app = spawnSync(process.execPath, [path.join(ROOT, `infra/app${EXTENSION}`)], {
    cwd: ROOT,
    env: { ...process.env, CDK_OUTDIR: draft },
    encoding: 'utf8',
    timeout: SYNTH_MS_MAX,
  });
  try {
    if (app.status !== 0) {
      throw new LayerMoverError('SYNTH_FAILED', 'the CDK app could not be synthesized', {
        hint: 'run `npm run synth` to see what it says',
        data: { status: app.status, stderr: app.stderr?.slice(-2000) },
        cause: app.error,
      });
    }
    rename(draft, assembly);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Another process may have been faster: the same sources made the same assembly. */
function rename(draft: string, assembly: string): void {
  try {
    renameSync(draft, assembly);
  } catch (error) {
    if (!existsSync(assembly)) throw error;
  }
}

function removeOld(outDir: string, nowMs: number): void {
  for (const name of readdirSync(outDir)) {
    const folder = path.join(outDir, name);
    const isOurs = /^[0-9a-f]{16}(\.\d+)?$/.test(name);
    if (isOurs && nowMs - statSync(folder).mtimeMs > KEPT_MS) rmSync(folder, { recursive: true, force: true });
  }
}
