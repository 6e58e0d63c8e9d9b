import { constants } from 'node:fs';
import { access, readFile, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { connect } from '../connection.ts';
import { bytes } from '../output/units.ts';

export type Verdict = 'good' | 'lacking' | 'unsafe';

export interface Finding {
  readonly what: string;
  readonly verdict: Verdict;
  readonly detail: string;
  /** How to mend it. */
  readonly hint?: string;
}

const FREE_BYTES_WANTED = 10e9;
const MEMORY_BYTES_WANTED = 1e9;

/** What this host lacks and what is unsafe on it. Each check looks at one thing and never throws. */
export async function examine(options: { images?: string; cloud?: string }): Promise<Finding[]> {
  const checks = [
    runtime(),
    memory(),
    locks(),
    ...(options.images ? [folder(options.images), space(options.images)] : []),
    cloud(options.cloud),
  ];
  return Promise.all(checks);
}

async function runtime(): Promise<Finding> {
  const zstd = 'createZstdCompress' in createRequire(import.meta.url)('node:zlib');
  const detail = `Node ${process.versions.node}, ${availableParallelism()} cores`;
  if (zstd) return { what: 'runtime', verdict: 'good', detail };
  return {
    what: 'runtime',
    verdict: 'lacking',
    detail: `${detail}, without zstd`,
    hint: 'run npm ci, which brings Node 24 along',
  };
}

async function memory(): Promise<Finding> {
  const detail = bytes(totalmem());
  if (totalmem() >= MEMORY_BYTES_WANTED) return { what: 'memory', verdict: 'good', detail };
  return { what: 'memory', verdict: 'lacking', detail, hint: 'an agent may take 512 MB' };
}

/** Without /proc/locks an image that a running QEMU writes to can't be told from one at rest. */
async function locks(): Promise<Finding> {
  try {
    await readFile('/proc/locks');
    return { what: 'image locks', verdict: 'good', detail: '/proc/locks can be read' };
  } catch {
    const hint = 'mount /proc; until then stop every VM before it is migrated, nothing checks it';
    return { what: 'image locks', verdict: 'unsafe', detail: '/proc/locks can’t be read', hint };
  }
}

async function folder(images: string): Promise<Finding> {
  try {
    await access(images, constants.R_OK | constants.W_OK);
    return { what: 'image folder', verdict: 'good', detail: images };
  } catch {
    const hint = 'make it, or run as a user who may write to it; reading is enough for a source with --state elsewhere';
    return { what: 'image folder', verdict: 'lacking', detail: `${images} can’t be read and written`, hint };
  }
}

async function space(images: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(images).catch(() => ({ bavail: 0, bsize: 0 }));
  const detail = `${bytes(bavail * bsize)} free`;
  if (bavail * bsize >= FREE_BYTES_WANTED) return { what: 'disk space', verdict: 'good', detail };
  return { what: 'disk space', verdict: 'lacking', detail, hint: 'VMs that do not fit are refused when they arrive' };
}

async function cloud(file: string | undefined): Promise<Finding> {
  try {
    const client = await connect(file);
    const { hosts } = await client.call('listHosts', {});
    return {
      what: 'cloud',
      verdict: 'good',
      detail: `reached, ${hosts.length} hosts enrolled; the clocks agree well enough to sign`,
    };
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    return { what: 'cloud', verdict: 'lacking', detail: message, ...(hint === undefined ? {} : { hint }) };
  }
}
