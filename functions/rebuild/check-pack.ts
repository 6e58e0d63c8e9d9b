import { openFrame } from '../../adapters/system/open-frame.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import { type FooterChunk, type FooterFrame, withChunks } from '../../core/format/footer.ts';
import { checksumOfHead, FRAME_BYTES_MAX } from '../../core/format/frame.ts';
import { openFooterOf } from '../packs/read-footer.ts';
import type { Page } from './page.ts';

/** Reads a pack from its first to its last byte, frame by frame. Throws whatever tells that it is not what its id says. */
export async function checkPack(page: Page, pack: string): Promise<void> {
  const { frames, chunks } = withChunks(await openFooterOf(page.deps.objects, page.namespace, pack));
  let next = 0;
  for (const frame of frames) {
    await checkFrame(page, pack, frame, chunks.slice(next, next + frame.chunks));
    next += frame.chunks;
    page.counts.bytes_checked += frame.rawBytes;
  }
}

async function checkFrame(page: Page, pack: string, frame: FooterFrame, chunks: readonly FooterChunk[]): Promise<void> {
  const { offset, frameBytes, rawBytes, checksum } = frame;
  if (frameBytes > FRAME_BYTES_MAX) throw corrupt(pack, `the frame at ${offset} cannot have ${frameBytes} bytes`);
  const bytes = await page.deps.objects.get(page.keyOf('packs', pack), { offset, length: frameBytes });
  const raw = await openFrame(bytes);
  if (raw.length !== rawBytes || !sameDigest(checksumOfHead(bytes), checksum))
    throw corrupt(pack, `the frame at ${offset} is not the one that the footer lists`);
  let at = 0;
  for (const { fingerprint, length } of chunks) {
    if (!sameDigest(sha256(raw.subarray(at, at + length)), fingerprint))
      throw corrupt(pack, `the chunk ${toHex(fingerprint)} differs from its fingerprint`);
    at += length;
  }
}

function corrupt(pack: string, what: string): LayerMoverError {
  return new LayerMoverError('CHUNK_CORRUPT', what, { data: { pack } });
}
