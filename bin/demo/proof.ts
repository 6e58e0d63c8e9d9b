import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { openChain } from '../../agent/disk/chain.ts';
import type { DiskLayer } from '../../agent/disk/layer.ts';
import { readPieces } from '../../agent/disk/pieces.ts';

const STEP_BYTES = 4 * 1024 * 1024;

export interface Proof {
  readonly vm: string;
  readonly equal: boolean;
  /** The first difference, or how far equality was checked. */
  readonly detail: string;
}

/** Reads both chains, layer by layer, and compares every byte a guest would see: independent of manifests and receipts. */
export async function prove(vm: string, source: string, sourceFolder: string, arrived: string): Promise<Proof> {
  const before = await openChain(source, { imageFolder: sourceFolder });
  const after = await openChain(arrived, { imageFolder: path.dirname(arrived) });
  try {
    if (before.layers.length !== after.layers.length) {
      return { vm, equal: false, detail: `${before.layers.length} layers went, ${after.layers.length} arrived` };
    }
    for (const [depth, layer] of before.layers.entries()) {
      const at = await firstDifference(layer, after.layers[depth]!);
      if (at !== undefined)
        return { vm, equal: false, detail: `layer ${path.basename(layer.path)} differs at byte ${at}` };
    }
    const by = await judgeByQemu(source, arrived);
    return {
      vm,
      equal: by !== false,
      detail: `${before.layers.length} layers, every byte${by === undefined ? '' : ', and qemu-img compare'}`,
    };
  } finally {
    await before.close();
    await after.close();
  }
}

async function firstDifference(a: DiskLayer, b: DiskLayer): Promise<number | undefined> {
  if (a.virtualBytes !== b.virtualBytes) return Math.min(a.virtualBytes, b.virtualBytes);
  for (let at = 0; at < a.virtualBytes; at += STEP_BYTES) {
    const length = Math.min(STEP_BYTES, a.virtualBytes - at);
    const [left, right] = [Buffer.alloc(length), Buffer.alloc(length)];
    readPieces(await a.pieces(at, length), at, left);
    readPieces(await b.pieces(at, length), at, right);
    if (!left.equals(right)) return at + left.findIndex((byte, i) => byte !== right[i]);
  }
  return undefined;
}

/** What qemu-img says, where it is installed; undefined elsewhere. */
async function judgeByQemu(source: string, arrived: string): Promise<boolean | undefined> {
  try {
    await promisify(execFile)('qemu-img', ['compare', '-q', source, arrived]);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT' ? undefined : false;
  }
}
