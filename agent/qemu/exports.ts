import * as z from 'zod';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { ask } from './ask.ts';
import { isSaying } from './failure.ts';
import { OURS } from './ours.ts';
import type { Qmp } from './qmp.ts';

const BLOCKS = { served: '.nbd', mirrored: '.cpy' } as const;

/** Where a QEMU serves its blocks, or finds who takes them: beside the socket of its monitor. The paths are equally long. */
export function blocksPath(qmp: string, how: keyof typeof BLOCKS = 'served'): string {
  return `${qmp}${BLOCKS[how]}`;
}

/** True of what is there for blocks: it is no monitor. */
export function isBlocksPath(path: string): boolean {
  return Object.values(BLOCKS).some((ending) => path.endsWith(ending));
}

const exports_ = z.array(z.looseObject({ id: z.string(), type: z.string() }));

/** An export of a node, read-only: with how deep in the chain each block lies, or with what a bitmap has. */
export interface NodeExport {
  readonly id: string;
  readonly node: string;
  /** A disabled one; without it the export tells depths. */
  readonly bitmap?: string | undefined;
}

/**
 * Starts QEMU's server of blocks at the unix socket `path`; there is one a process. One that an earlier run of the
 * agent left is ended before. Errors: NBD_SERVER_TAKEN and those of Qmp.execute.
 */
export async function startServer(qmp: Qmp, path: string, signal: AbortSignal): Promise<void> {
  const start = () =>
    qmp.execute('nbd-server-start', { addr: { type: 'unix', data: { path } }, 'max-connections': 0 }, { signal });
  try {
    await start();
  } catch (error) {
    if (!isSaying(error, /already running/i)) throw error;
    if ((await exportsOf(qmp, signal)).length > 0) throw taken(error);
    await stopServer(qmp, signal);
    await start();
  }
}

/** One that does not run is no error. Ends every export, so it is called when there are none but ours. */
export async function stopServer(qmp: Qmp, signal?: AbortSignal): Promise<void> {
  await qmp.execute('nbd-server-stop', {}, { signal }).catch((error: unknown) => {
    if (!hasCode(error, 'QMP_COMMAND_FAILED')) throw error;
  });
}

/** The ids of the exports over NBD that there are. */
export async function exportsOf(qmp: Qmp, signal?: AbortSignal): Promise<string[]> {
  const all = await ask(qmp, exports_, 'query-block-exports', {}, { signal });
  return all.filter(({ type }) => type === 'nbd').map(({ id }) => id);
}

export async function addExport(qmp: Qmp, { id, node, bitmap }: NodeExport, signal: AbortSignal): Promise<void> {
  const tells = bitmap === undefined ? { 'allocation-depth': true } : { bitmaps: [bitmap] };
  await qmp.execute(
    'block-export-add',
    { type: 'nbd', id, name: id, 'node-name': node, writable: false, ...tells },
    { signal },
  );
}

/**
 * Ends an export, whoever reads from it: its clients are cut off by QEMU, not the other way about. When this resolves QEMU
 * has let go of the node, and of the bitmap.
 */
export async function removeExport(qmp: Qmp, id: string, signal: AbortSignal): Promise<void> {
  const feed = qmp.events('BLOCK_EXPORT_DELETED');
  try {
    await qmp.execute('block-export-del', { id, mode: 'hard' }, { signal });
    await feed.next(signal, ({ data }) => data.id === id);
  } catch (error) {
    // It went with a server that somebody has ended.
    if (!isSaying(error, /not found/i)) throw error;
  } finally {
    feed.close();
  }
}

/** Ends the exports that bear our name. Answers whether others are left. */
export async function removeOurExports(qmp: Qmp, signal: AbortSignal): Promise<{ othersLeft: boolean }> {
  const ids = await exportsOf(qmp, signal);
  const ours = ids.filter((id) => id.startsWith(OURS));
  for (const id of ours) await removeExport(qmp, id, signal);
  return { othersLeft: ours.length < ids.length };
}

function taken(cause: unknown): LayerMoverError {
  return new LayerMoverError('NBD_SERVER_TAKEN', 'the VM’s QEMU serves blocks to somebody else already', {
    hint: 'a QEMU has one such server: end that backup or migration first (nbd-server-stop)',
    cause,
  });
}
