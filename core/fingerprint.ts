import { createHash, hash } from 'node:crypto';

/** Bytes of a fingerprint, a layer id, a segment id and a pack id: SHA-256. */
export const DIGEST_BYTES = 32;

/** SHA-256 of `bytes`; 32 bytes. The identity of chunks, segments, layers and packs (docs/FORMAT.md). */
export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/** SHA-256 of several byte strings, one after the other. */
export function sha256Of(parts: Iterable<Uint8Array>): Buffer {
  const whole = createHash('sha256');
  for (const part of parts) whole.update(part);
  return whole.digest();
}

export const NO_DIGEST: Readonly<Buffer> = Buffer.alloc(DIGEST_BYTES);

export function toHex(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('hex');
}

/** A digest from its 64 hex digits; the callers' schemas have checked the form. */
export function fromHex(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

export function isNone(digest: Uint8Array): boolean {
  return sameDigest(digest, NO_DIGEST);
}

export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** True if this fingerprint has an index row at the sampling rate (docs/FORMAT.md, index rows). */
export function isHook(fingerprint: Uint8Array, sampling: number): boolean {
  return fingerprint[0]! % sampling === 0;
}

const ZEROS = Buffer.alloc(64 * 1024);

/** True if every byte is zero. Most data differs in its first bytes, so the usual cost is one small compare. */
export function isZero(bytes: Uint8Array): boolean {
  if (bytes.length > 0 && (bytes[0] !== 0 || bytes[bytes.length - 1] !== 0)) return false;
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}
