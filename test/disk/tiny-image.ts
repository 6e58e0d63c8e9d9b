import { writeFileSync } from 'node:fs';

/** A qcow2 image of one L2 table, built byte by byte from the specification, without any code of the product. */
export interface TinyImage {
  version?: 2 | 3;
  clusterBits?: number;
  virtualBytes?: number;
  /** L2 entries from the first on; data clusters start at cluster `FIRST_DATA`. */
  l2?: readonly bigint[];
  /** What follows the tables, from cluster `FIRST_DATA` on. */
  data?: Buffer;
  backing?: { name: string; format?: string };
  dataFile?: string;
  compression?: number;
  incompatible?: bigint;
  /** Last changes to the whole file. */
  patch?: (file: Buffer) => Buffer | undefined;
}

/** Header, refcount table, refcount block, L1 and L2 take a cluster each. */
export const FIRST_DATA = 5;
export const COPIED = 1n << 63n;
export const COMPRESSED = 1n << 62n;

export function dataEntry(cluster: number, clusterBits = 16): bigint {
  return COPIED | (BigInt(cluster) << BigInt(clusterBits));
}

/** Descriptor of `length` compressed bytes at host offset `offset`. */
export function compressedEntry(offset: number, length: number, clusterBits = 16): bigint {
  const x = BigInt(62 - (clusterBits - 8));
  const moreSectors = Math.floor(((offset % 512) + length - 1) / 512);
  return COMPRESSED | (BigInt(moreSectors) << x) | BigInt(offset);
}

export function writeTinyImage(path: string, image: TinyImage): void {
  const { version = 3, clusterBits = 16, l2 = [], data = Buffer.alloc(0) } = image;
  const cluster = 2 ** clusterBits;
  const file = Buffer.concat([Buffer.alloc(FIRST_DATA * cluster), data]);
  const clusters = Math.ceil(file.length / cluster);
  file.write('QFI\xfb', 0, 'latin1');
  file.writeUInt32BE(version, 4);
  file.writeUInt32BE(clusterBits, 20);
  file.writeBigUInt64BE(BigInt(image.virtualBytes ?? l2.length * cluster), 24);
  file.writeUInt32BE(1, 36);
  file.writeBigUInt64BE(BigInt(3 * cluster), 40);
  file.writeBigUInt64BE(BigInt(cluster), 48);
  file.writeUInt32BE(1, 56);
  let extensions = 72;
  if (version === 3) {
    extensions = image.compression === undefined ? 104 : 112;
    file.writeBigUInt64BE(image.incompatible ?? (image.compression === undefined ? 0n : 8n), 72);
    file.writeUInt32BE(4, 96);
    file.writeUInt32BE(extensions, 100);
    if (image.compression !== undefined) file[104] = image.compression;
  }
  if (image.backing !== undefined) writeBacking(file, extensions, image.backing);
  if (image.dataFile !== undefined) {
    file.writeUInt32BE(0x44415441, extensions);
    file.writeUInt32BE(Buffer.byteLength(image.dataFile), extensions + 4);
    file.write(image.dataFile, extensions + 8);
  }
  file.writeBigUInt64BE(BigInt(2 * cluster), cluster);
  for (let i = 0; i < clusters; i++) file.writeUInt16BE(1, 2 * cluster + 2 * i);
  file.writeBigUInt64BE(COPIED | BigInt(4 * cluster), 3 * cluster);
  for (const [i, entry] of l2.entries()) file.writeBigUInt64BE(entry, 4 * cluster + 8 * i);
  writeFileSync(path, image.patch?.(file) ?? file);
}

function writeBacking(file: Buffer, extensions: number, backing: { name: string; format?: string }): void {
  let at = extensions;
  // An extension that nobody knows comes first: it must be passed over.
  file.writeUInt32BE(0x12345678, at);
  file.writeUInt32BE(5, at + 4);
  at += 16;
  if (backing.format !== undefined) {
    file.writeUInt32BE(0xe2792aca, at);
    file.writeUInt32BE(backing.format.length, at + 4);
    file.write(backing.format, at + 8);
    at += 8 + Math.ceil(backing.format.length / 8) * 8;
  }
  at += 8;
  file.writeBigUInt64BE(BigInt(at), 8);
  file.writeUInt32BE(Buffer.byteLength(backing.name), 16);
  file.write(backing.name, at);
}
