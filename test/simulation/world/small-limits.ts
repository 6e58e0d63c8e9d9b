import { diskLimits } from '../../../agent/disk/limits.ts';
import { limits } from '../../../core/limits.ts';

const KiB = 1024;

/**
 * Bounds under which images of a few hundred kilobytes make several segments, frames and packs, and agents poll more
 * seldom. To be imported before anything that takes a bound for good when it is loaded.
 */
Object.assign(limits, {
  segment_chunks: 16,
  segment_bytes_max: 8 + 4 + 32 * 16,
  frame_raw_bytes_max: 32 * KiB,
  pack_raw_bytes_max: 64 * KiB,
  pack_segments_max: 4,
  batch_fingerprints_max: 32,
  segments_per_round_commit_max: 8,
  rounds_per_poll_max: 4,
  segments_cached: 4,
  pull_gap_bytes: 4 * KiB,
  poll_busy_ms: 1_500,
  poll_idle_ms: 8_000,
  poll_fast_ms: 250,
  poll_linger_ms: 3_000,
  collection_call_ms: 0,
  collection_objects_max: 6,
  collection_in_flight: 3,
  collection_filter_bytes: 1024,
});

Object.assign(diskLimits, {
  write_behind_bytes: 64 * KiB,
  zero_fill_bytes: 64 * KiB,
  table_cache_bytes: 64 * KiB,
  table_page_bytes_max: 4 * KiB,
  raw_touched_blocks_max: 64,
});
