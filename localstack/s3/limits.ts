const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Bounds of the embedded S3; those that S3 has are the same. */
export const S3_LIMITS = {
  maxPutBytes: 5 * GIB,
  maxKeyBytes: 1_024,
  maxUserMetadataBytes: 2 * KIB,
  maxListKeys: 1_000,
  maxDeleteKeys: 1_000,
  /** XML bodies (DeleteObjects, CompleteMultipartUpload). */
  maxXmlBytes: 2 * MIB,
  maxXmlDepth: 8,
  /** Of an aws-chunked body, every chunk but the last. */
  minChunkBytes: 8 * KIB,
  /** A chunk's size line or a trailer line. */
  maxChunkLineBytes: 1 * KIB,
  maxTrailers: 4,
  minPartBytes: 5 * MIB,
  maxParts: 10_000,
  maxListParts: 1_000,

  /** Of the file system, left to tables and journals; what is being uploaded counts as written. */
  reservedBytes: 16 * MIB,
  /** What is read and thrown away of a refused body before the connection is cut. */
  maxDrainBytes: 64 * MIB,
  /** Objects up to this size are answered in one piece. */
  smallObjectBytes: 128 * KIB,
  readBufferBytes: 1 * MIB,
  writeBufferBytes: 1 * MIB,
  /** Bytes of a key's segment that one file name holds: percent-encoded (×3) with its suffix it stays below 255. */
  maxNameBytes: 80,
  /** Read from an object file's end at first: nearly every record fits. */
  recordReadBytes: 4 * KIB,
} as const;
