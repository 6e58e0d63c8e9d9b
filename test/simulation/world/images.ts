import type { MemoryFiles } from '../../../adapters/memory/files.ts';
import { openChain } from '../../../agent/disk/chain.ts';
import { readPieces } from '../../../agent/disk/pieces.ts';
import { createQcow2, createRaw } from '../../../agent/disk/writer.ts';
import type { Dice } from './dice.ts';

const KiB = 1024;
const BLOCK = 4 * KiB;

/** What each layer of a chain shows to a guest, bottom first. */
export type Shown = readonly Buffer[];

/** Blocks of content that layers are made of: few, so that layers share some. */
export class Content {
  readonly #blocks: readonly Buffer[];
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
    this.#blocks = Array.from({ length: 24 }, () => {
      const word = dice.bytes(dice.pick([1, 16, 64, BLOCK]));
      return Buffer.alloc(BLOCK, word);
    });
  }

  block(): Buffer {
    return this.#dice.pick(this.#blocks);
  }
}

/** Writes one layer over the image at `below`; gives its path. */
export async function drawLayer(
  files: MemoryFiles,
  folder: string,
  name: string,
  below: string | undefined,
  { dice, content, virtualBytes }: { dice: Dice; content: Content; virtualBytes: number },
): Promise<string> {
  const raw = below === undefined && dice.chance(0.25);
  const path = `${folder}/${name}.${raw ? 'img' : 'qcow2'}`;
  const chain = below === undefined ? undefined : await openChain(below, { imageFolder: folder, files });
  const layer = chain?.layers.at(-1);
  const backing =
    layer === undefined
      ? {}
      : { backing: { name: layer.path.slice(folder.length + 1), format: layer.format, chain: layer } };
  const shape = {
    virtualBytes,
    clusterBytes: dice.pick([4 * KiB, 16 * KiB, 64 * KiB]),
    version: dice.pick([2, 3] as const),
  };
  const writer = raw
    ? await createRaw(path, { virtualBytes }, files)
    : await createQcow2(path, { ...shape, ...backing }, files);
  for (let patches = dice.int(0, 5); patches > 0; patches--) {
    const at = BLOCK * dice.int(0, Math.ceil(virtualBytes / BLOCK) - 1);
    const length = Math.min(virtualBytes - at, BLOCK * dice.int(1, 16));
    if (dice.chance(0.3)) await writer.writeZeros(at, length);
    else
      for (let done = 0; done < length; done += BLOCK)
        await writer.write(at + done, content.block().subarray(0, length - done));
  }
  await writer.finish();
  await chain?.close();
  await files.syncFolder(folder);
  return path;
}

/** What a guest would see at each depth of the chain of the image at `top`. */
export async function readShown(files: MemoryFiles, folder: string, top: string): Promise<Shown> {
  const chain = await openChain(top, { imageFolder: folder, files });
  try {
    const shown: Buffer[] = [];
    for (const layer of chain.layers) {
      const bytes = Buffer.alloc(layer.virtualBytes);
      readPieces(await layer.pieces(0, layer.virtualBytes), 0, bytes, files.readAt);
      shown.push(bytes);
    }
    return shown;
  } finally {
    await chain.close();
  }
}

export function isSameShown(a: Shown, b: Shown): boolean {
  return a.length === b.length && a.every((bytes, depth) => bytes.equals(b[depth]!));
}
