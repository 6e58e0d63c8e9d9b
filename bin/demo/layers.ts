import { open } from 'node:fs/promises';
import path from 'node:path';
import { openChain } from '../../agent/disk/chain.ts';
import { readPieces } from '../../agent/disk/pieces.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { isZero } from '../../core/fingerprint.ts';

const CLUSTER_BYTES = 64 * 1024;
const STEP_BYTES = 4 * 1024 * 1024;

/** Writes what the raw `disk` of `diskBytes`, whole megabytes by four, holds beyond the image it is to lie on: a true difference layer. */
export async function makeLayer(disk: string, image: string, diskBytes: number, over?: string): Promise<void> {
  const folder = path.dirname(image);
  const chain = over === undefined ? undefined : await openChain(path.join(folder, over), { imageFolder: folder });
  const below = chain?.layers.at(-1);
  const writer = await createQcow2(image, {
    virtualBytes: diskBytes,
    clusterBytes: CLUSTER_BYTES,
    version: 3,
    ...(below && over ? { backing: { name: over, format: 'qcow2', chain: below } } : {}),
  });
  const handle = await open(disk, 'r');
  const [now, before] = [Buffer.alloc(STEP_BYTES), Buffer.alloc(STEP_BYTES)];
  for (let at = 0; at < diskBytes; at += STEP_BYTES) {
    await handle.read(now, 0, STEP_BYTES, at);
    if (below) readPieces(await below.pieces(at, STEP_BYTES), at, before);
    for (let in4 = 0; in4 < STEP_BYTES; in4 += CLUSTER_BYTES) {
      const cluster = now.subarray(in4, in4 + CLUSTER_BYTES);
      if (cluster.equals(before.subarray(in4, in4 + CLUSTER_BYTES))) continue;
      if (isZero(cluster)) await writer.writeZeros(at + in4, CLUSTER_BYTES);
      else await writer.write(at + in4, cluster);
    }
  }
  await handle.close();
  await writer.finish();
  await chain?.close();
}

/** A copy that keeps the holes. */
export async function copyOf(disk: string, copy: string, diskBytes: number): Promise<string> {
  const [source, target] = [await open(disk, 'r'), await open(copy, 'w')];
  const buffer = Buffer.alloc(STEP_BYTES);
  await target.truncate(diskBytes);
  for (let at = 0; at < diskBytes; at += STEP_BYTES) {
    const { bytesRead } = await source.read(buffer, 0, STEP_BYTES, at);
    if (!isZero(buffer.subarray(0, bytesRead))) await target.write(buffer, 0, bytesRead, at);
  }
  await source.close();
  await target.close();
  return copy;
}
