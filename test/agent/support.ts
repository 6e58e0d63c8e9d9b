import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { ApiClient } from '../../adapters/api/client.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import type { Log } from '../../agent/daemon/log.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2, createRaw } from '../../agent/disk/writer.ts';
import type { RouteName } from '../../core/api/routes.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { noise } from '../disk/support.ts';

/** A folder of its own for each test; `at` gives paths in it. */
export function eachFolder(): { at: (...names: string[]) => string; path: () => string } {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'layermover-agent-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  return { at: (...names) => join(folder, ...names), path: () => folder };
}

/** The machine's time, in which waits are twenty times shorter than they say. */
export const hastyClock: Clock = {
  nowMs: () => systemClock.nowMs(),
  sleep: (ms, signal) => systemClock.sleep(ms / 20, signal),
};

/** A client whose answers a test gives. */
export function scripted(
  answer: (name: RouteName, call: { body?: unknown; signal?: AbortSignal }) => unknown,
): ApiClient {
  return { call: async (name: RouteName, call: object = {}) => answer(name, call) } as ApiClient;
}

/** An error of which only the code matters. */
export function coded(code: string): LayerMoverError {
  return new LayerMoverError(code, code);
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A log that keeps its lines. */
export function keptLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } });
  return { lines, info: at('info'), warn: at('warn'), error: at('error') };
}

/** What one layer of a test's chain holds: noise of a seed, or zeros, at a place. Bytes. */
export interface Patch {
  readonly at: number;
  readonly length: number;
  readonly seed?: number;
}

export interface LayerSpec {
  readonly name: string;
  readonly format?: 'qcow2' | 'raw';
  readonly clusterBytes?: number;
  readonly version?: 2 | 3;
  readonly patches: readonly Patch[];
}

export const DISK_BYTES = 4 * 1024 * 1024;

/** Writes a chain of images into a folder, bottom first; gives their paths. */
export async function writeChain(folder: string, layers: readonly LayerSpec[], virtualBytes = DISK_BYTES) {
  const paths: string[] = [];
  for (const layer of layers) paths.push(await writeLayer(folder, layer, paths.at(-1), { virtualBytes }));
  return paths;
}

/** Writes one image over the one at `below`, which lies in `folder`: there too, or in a sub-folder, or over an old one. */
export async function writeLayer(
  folder: string,
  { name, format = 'qcow2', clusterBytes = 65_536, version = 3, patches }: LayerSpec,
  below: string | undefined,
  { virtualBytes = DISK_BYTES, into = '.', over = name }: { virtualBytes?: number; into?: string; over?: string } = {},
) {
  const path = join(folder, into, name);
  const chain = below === undefined ? undefined : await openChain(below, { imageFolder: folder });
  const layer = chain?.layers.at(-1);
  const backing =
    layer === undefined
      ? {}
      : { backing: { name: relative(dirname(path), layer.path), format: layer.format, chain: layer } };
  const writer =
    format === 'raw'
      ? await createRaw(path, { virtualBytes })
      : await createQcow2(path, { virtualBytes, clusterBytes, version, ...backing });
  for (const { at, length, seed } of patches) {
    if (seed === undefined) await writer.writeZeros(at, length);
    else await writer.write(at, noise(length, seed));
  }
  await writer.finish();
  await chain?.close();
  renameSync(path, join(folder, into, over));
  return join(folder, into, over);
}

/** The files below a folder by their relative paths, hidden ones left out, ascending. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((name) => !name.startsWith('.'))
    .sort();
}
