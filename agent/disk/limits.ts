const KiB = 1024;
const MiB = 1024 * KiB;

/** Bounds of the image formats and of the memory one open image may take. */
export const diskLimits = {
  // What the qcow2 specification and QEMU allow
  cluster_bits_min: 9,
  cluster_bits_max: 21,
  extended_cluster_bits_min: 14,
  l1_bytes_max: 32 * MiB,
  refcount_table_bytes_max: 8 * MiB,
  snapshots_max: 65_536,
  snapshot_table_bytes_max: 64 * MiB,
  bitmaps_max: 65_535,
  bitmap_directory_bytes_max: 65_535 * KiB,
  bitmap_bytes_max: 512 * MiB,
  bitmap_name_bytes_max: 1023,
  bitmap_granularity_bits_min: 9,
  bitmap_granularity_bits_max: 31,
  backing_name_bytes_max: 1023,
  backing_format_bytes_max: 15,

  // Memory
  table_page_bytes_max: 64 * KiB,
  table_cache_bytes: 16 * MiB,
  table_scan_bytes: 1 * MiB,
  /** Tables of snapshots and bitmaps that are read to know what they name. */
  inactive_tables_bytes_max: 32 * MiB,
  write_behind_bytes: 4 * MiB,
  zero_fill_bytes: 1 * MiB,
  raw_touched_blocks_max: 1 * MiB,
  /** Bytes written to a file after which they are brought on disk while writing goes on. */
  sync_ahead_bytes: 128 * MiB,
} as const;

/** The unit in which disks are sized and written; QEMU knows no smaller one. */
export const SECTOR_BYTES = 512;

/** What a raw file reports as its cluster size: it has none, this is qcow2's default. */
export const RAW_CLUSTER_BYTES = 64 * KiB;
