import { createXXHash128 } from 'hash-wasm';

const hasher = await createXXHash128();

export const CHECKSUM_BYTES = 16;

/**
 * XXH3-128 of several byte strings, one after the other. It finds accidents fast, before bytes are decompressed;
 * it is never an identity (that is SHA-256).
 */
export function checksum(...parts: readonly Uint8Array[]): Buffer {
  hasher.init();
  for (const part of parts) hasher.update(part);
  return Buffer.from(hasher.digest('binary'));
}
