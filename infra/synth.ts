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

/** The CDK's own file of the plain app. */
const CDK_FILE = path.join(ROOT, 'cdk.json');
/** Where an app finds the context that the CDK's command has put together. */
const CONTEXT_VARIABLE = 'CDK_CONTEXT_JSON';

/**
 * The assembly of the CDK app as the sources are now, with the context of cdk.json and what `context` adds to it, in a folder of
 * `outDir` named after the digest of both; made if it is not there yet. Several processes may ask at the same time. Throws
 * CONTEXT_INVALID, SYNTH_FAILED.
 */
export function synthesize(outDir: string, context: Readonly<Record<string, string>> = {}): string {
  const whole = JSON.stringify({ ...contextOfApp(), ...context });
  const assembly = path.join(outDir, digestOf(whole).slice(0, 16));
  mkdirSync(outDir, { recursive: true });
  if (!existsSync(assembly)) make(assembly, whole);
  const now = new Date();
  utimesSync(assembly, now, now);
  removeOld(outDir, now.getTime());
  return assembly;
}

function contextOfApp(): object {
  return existsSync(CDK_FILE)
    ? ((JSON.parse(readFileSync(CDK_FILE, 'utf8')) as { context?: object }).context ?? {})
    : {};
}

/** SHA-256 (hex) of the context, and of names and contents of all sources. */
function digestOf(context: string): string {
  const digest = createHash('sha256').update(`${context}\0`);
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
function make(assembly: string, context: string): void {
  const draft = `${assembly}.${process.pid}`;
  const app = spawnSync(process.execPath, [path.join(ROOT, `infra/app${EXTENSION}`)], {
    cwd: ROOT,
    env: { ...process.env, CDK_OUTDIR: draft, [CONTEXT_VARIABLE]: context },
    encoding: 'utf8',
    timeout: SYNTH_MS_MAX,
  });
  try {
    if (app.status !== 0) {
      const [, invalid] = /LayerMoverError: (the context is not valid: .*?)\n {4}at /s.exec(app.stderr ?? '') ?? [];
      if (invalid !== undefined)
        throw new LayerMoverError('CONTEXT_INVALID', invalid, { hint: 'docs/DEPLOY.md has the keys' });
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
