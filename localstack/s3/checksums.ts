import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { createCRC32, createCRC64 } from 'hash-wasm';

export interface Hasher {
  update(chunk: Buffer): void;
  digest(): Buffer;
}

const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC64NVME_POLYNOMIAL = '9a6c9329ac4bc9b5';

/** The checksums that S3 knows, by the name in `x-amz-checksum-<name>`. */
const ALGORITHMS: ReadonlyMap<string, { digestBytes: number; create: () => Promise<Hasher> }> = new Map([
  ['crc32', { digestBytes: 4, create: async () => crc32Hasher() }],
  ['crc32c', { digestBytes: 4, create: async () => wasmHasher(await createCRC32(CRC32C_POLYNOMIAL)) }],
  ['crc64nvme', { digestBytes: 8, create: async () => wasmHasher(await createCRC64(CRC64NVME_POLYNOMIAL)) }],
  ['sha1', { digestBytes: 20, create: async () => createHash('sha1') }],
  ['sha256', { digestBytes: 32, create: async () => createHash('sha256') }],
]);

export const CHECKSUM_HEADER = /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$/;

/** True for base64 of as many bytes as the algorithm gives. */
export function isChecksumValue(name: string, base64: string): boolean {
  return isDigest(base64, ALGORITHMS.get(name)?.digestBytes ?? 0);
}

/** True for canonical base64 of `bytes` bytes. */
export function isDigest(base64: string, bytes: number): boolean {
  const decoded = Buffer.from(base64, 'base64');
  return decoded.length === bytes && decoded.toString('base64') === base64;
}

/** A hasher for a name that CHECKSUM_HEADER knows. */
export async function createHasher(name: string): Promise<Hasher> {
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) throw new TypeError(`no checksum algorithm ${name}`);
  return algorithm.create();
}

function crc32Hasher(): Hasher {
  let value = 0;
  return {
    update: (chunk) => {
      value = crc32(chunk, value);
    },
    digest: () => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    },
  };
}

function wasmHasher(hasher: Awaited<ReturnType<typeof createCRC32>>): Hasher {
  hasher.init();
  return {
    update: (chunk) => {
      hasher.update(chunk);
    },
    digest: () => Buffer.from(hasher.digest('binary')),
  };
}
