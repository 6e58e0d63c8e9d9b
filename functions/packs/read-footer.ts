import { LayerMoverError } from '../../core/errors.ts';
import { fromHex, sameDigest } from '../../core/fingerprint.ts';
import {
  decodeTrailer,
  type Footer,
  type OpenFooter,
  openFooter,
  packIdOf,
  TRAILER_BYTES,
  withChunks,
} from '../../core/format/footer.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { ObjectReader } from '../../core/ports.ts';

/**
 * The footer of one of the namespace's packs, proven by the pack's id (hex). One read of the pack's end, a second one if
 * the footer is longer than guessed. Throws OBJECT_MISSING, or FORMAT_REFUSED if the object is not that pack.
 */
export async function openFooterOf(objects: ObjectReader, namespace: string, pack: string): Promise<OpenFooter> {
  const key = objectKey(namespaceScope(namespace), 'packs', pack);
  let { bytes, size } = await objects.tail(key, limits.footer_guess_bytes);
  const footerBytes = decodeTrailer(bytes.subarray(-TRAILER_BYTES));
  const endBytes = footerBytes + TRAILER_BYTES;
  if (endBytes > bytes.length) ({ bytes } = await objects.tail(key, endBytes));
  const footer = bytes.subarray(-endBytes, -TRAILER_BYTES);
  if (footer.length !== footerBytes || !sameDigest(packIdOf(footer), fromHex(pack)))
    throw notThatPack(pack, 'its footer is another’s');
  const opened = openFooter(footer);
  const last = opened.frames.at(-1)!;
  if (last.offset + last.frameBytes + endBytes !== size) throw notThatPack(pack, `it has ${size} bytes`);
  return opened;
}

/** The same, with an object for each chunk. */
export async function readFooter(objects: ObjectReader, namespace: string, pack: string): Promise<Footer> {
  return withChunks(await openFooterOf(objects, namespace, pack));
}

function notThatPack(pack: string, why: string): LayerMoverError {
  return new LayerMoverError('FORMAT_REFUSED', `the object is not pack ${pack}: ${why}`, { data: { pack } });
}
