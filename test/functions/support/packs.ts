import { sha256, toHex } from '../../../core/fingerprint.ts';
import { encodeFooter, encodeTrailer, packIdOf } from '../../../core/format/footer.ts';
import { checksumOfHead, encodeFrameHead } from '../../../core/format/frame.ts';
import { namespaceScope, objectKey } from '../../../core/format/keys.ts';
import type { ObjectStore } from '../../../core/ports.ts';

export interface MadePack {
  /** The pack id, hex. */
  readonly pack: string;
  readonly fingerprints: readonly Buffer[];
  readonly parts: readonly Uint8Array[];
  readonly key: string;
}

/** A pack of small chunks, `perFrame` to a frame, that are the fingerprints of numbers from `first` on. */
export function makePack(first: number, count: number, perFrame = 64): MadePack {
  const contents = Array.from({ length: count }, (_, at) => Buffer.from(`chunk ${first + at}`.padEnd(32)));
  const frames = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (let at = 0; at < count; at += perFrame) {
    const payload = Buffer.concat(contents.slice(at, at + perFrame));
    const head = encodeFrameHead({ codec: 'stored', windowLog: 0, rawBytes: payload.length, prefix: [], payload });
    const frameBytes = head.length + payload.length;
    parts.push(head, payload);
    frames.push({
      offset,
      frameBytes,
      rawBytes: payload.length,
      chunks: payload.length / 32,
      checksum: checksumOfHead(head),
    });
    offset += frameBytes;
  }
  const fingerprints = contents.map(sha256);
  const footer = encodeFooter({ frames, chunks: fingerprints.map((fingerprint) => ({ fingerprint, length: 32 })) });
  const pack = toHex(packIdOf(footer));
  parts.push(footer, encodeTrailer(footer.length));
  return { pack, fingerprints, parts, key: objectKey(namespaceScope('default'), 'packs', pack) };
}

export async function putPack(objects: ObjectStore, pack: MadePack): Promise<void> {
  await objects.put(pack.key, pack.parts);
}
