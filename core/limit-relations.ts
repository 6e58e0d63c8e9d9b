import { limits } from './limits.ts';

/** The relations that must hold between bounds; a test runs them, and a wrong edit fails there. */
export const relations: readonly (readonly [string, boolean])[] = [
  ['a frame holds at least one chunk', limits.chunk_bytes_max <= limits.frame_raw_bytes_max],
  ['a pack holds whole frames', limits.pack_raw_bytes_max % limits.frame_raw_bytes_max === 0],
  [
    'a small pack holds a chunk',
    limits.chunk_bytes_max <= limits.pack_raw_bytes_min && limits.pack_raw_bytes_min <= limits.pack_raw_bytes_max,
  ],
  [
    'a pack is filled while others go up',
    (limits.uploads_in_flight + 1) * limits.pack_raw_bytes_max <= limits.pack_memory_bytes,
  ],
  ['a window spans a frame', 2 ** limits.frame_window_log >= limits.frame_raw_bytes_max],
  [
    'a level can be chosen',
    limits.pack_level_default <= limits.pack_level_max && limits.pack_level_max <= limits.zstd_level_max,
  ],
  ['writers keep to the readers’ window', limits.frame_window_log <= limits.frame_window_log_max],
  [
    'a pack of smallest chunks stays in its count',
    limits.pack_raw_bytes_max / limits.chunk_bytes_min <= limits.pack_chunks_max,
  ],
  [
    'a footer of the most chunks fits',
    16 + 36 * (limits.pack_chunks_max + limits.pack_frames_max) <= limits.footer_bytes_max,
  ],
  ['a round names all segments of a pack', limits.pack_segments_max <= limits.segments_per_round_commit_max],
  ['a buffer holds at least one chunk', limits.chunk_bytes_max <= limits.scan_buffer_bytes],
  ['pairs that are compared never wait for each other', 2 * limits.compare_pairs_in_flight <= limits.scan_buffers],
  ['a number has a bit for each layer that is compared', limits.similarity_layers_max <= 32],
  ['a sample fits a body', 128 * limits.sample_chunks_max <= limits.api_body_bytes_max],
  ['many layers can be held against a sample', 16 * (1 + limits.sample_segments_max) <= limits.match_reads_max],
  ['disks are compared in whole chunks', limits.compare_window_bytes % limits.chunk_bytes_max === 0],
  ['a placement of the most runs fits', 32 + 61 * limits.segment_chunks <= limits.placement_bytes_max],
  [
    'a disk at the default chunk fits its segments',
    limits.disk_bytes_max <= limits.layer_segments_max * limits.segment_chunks * limits.chunk_bytes_default,
  ],
  ['a journal that was written anew has room to grow', limits.journal_bytes_max >= 2 * 40 * limits.layer_segments_max],
  ['a batch holds whole segments', limits.batch_fingerprints_max % limits.segment_chunks === 0],
  ['a batch fits a body', 12 + 32 * limits.batch_fingerprints_max <= limits.api_body_bytes_max],
  [
    'an agent beats several times before it counts as silent',
    limits.poll_idle_ms * 10 <= limits.task_heartbeat_seconds * 1000,
  ],
  [
    'a resting agent takes a task before it counts as silent',
    limits.poll_rest_ms * 2 <= limits.task_heartbeat_seconds * 1000,
  ],
  [
    'the workflow hears of polls before it takes a host for silent',
    limits.beat_ms * 3 <= limits.task_heartbeat_seconds * 1000,
  ],
  ['a step ends before its state gives up', limits.step_seconds < limits.step_state_seconds],
  ['a call of a rebuild has time to end what it began', limits.rebuild_call_ms * 3 <= limits.function_seconds * 1000],
  [
    'what nothing needs is kept longer than any migration may go on that found it',
    limits.garbage_grace_ms >= (limits.resume_seconds_max + limits.migration_seconds_max + 24 * 3600) * 1000,
  ],
  [
    'whoever removes an object has ended before another may rely on it',
    limits.removal_fence_ms >= 2 * limits.function_seconds * 1000,
  ],
  [
    'whoever is refused comes back when a removal that had just begun again is over, too',
    limits.leaving_wait_ms > limits.removal_fence_ms + limits.collection_call_ms,
  ],
  [
    'a removed object is told of for longer than a call may take',
    limits.removal_kept_seconds >= limits.task_seconds_max,
  ],
  ['a page of a collection has time to end', limits.collection_call_ms * 2 <= limits.function_seconds * 1000],
  [
    'a run that waits to be tried again is not over',
    limits.collection_stale_ms >= 10 * limits.step_state_seconds * 1000,
  ],
  ['the filter has a power of two of bits', Number.isInteger(Math.log2(limits.collection_filter_bytes))],
  ['a function answers before the gateway gives up', limits.function_seconds < limits.api_seconds_max],
  ['what a migration needs is not expired under it', limits.left_over_days * 24 * 3600 > limits.migration_seconds_max],
  [
    'what a resumed migration sent before is not expired under it',
    limits.left_over_days * 24 * 3600 >= limits.resume_seconds_max + limits.migration_seconds_max,
  ],
  [
    'a silent server of blocks, or a QEMU that hangs, is given up before the task counts as silent',
    2 * Math.max(limits.nbd_silence_ms, limits.qmp_command_ms) <= limits.task_heartbeat_seconds * 1000,
  ],
  [
    'a destination’s agent that starts again has time to run a guest before it is taken back',
    limits.guest_told_ms >= 10 * limits.poll_idle_ms,
  ],
  [
    'requests in flight fit a buffer and more',
    limits.nbd_requests_in_flight * limits.nbd_read_bytes_max >= limits.scan_buffer_bytes,
  ],
  [
    'a poll that waits is answered before its function, and the agent’s patience, end',
    limits.poll_wait_ms_max + 5_000 <= Math.min(limits.function_seconds * 1000, limits.http_timeout_ms),
  ],
  ['a poll that waits is heard of in time', limits.poll_wait_ms_max * 2 <= limits.task_heartbeat_seconds * 1000],
  ['a poll looks often in the time that it may wait', limits.poll_look_ms < limits.poll_look_tasks_ms],
  ['a pause may be as long as its fixed part', limits.cutover_fixed_ms < limits.downtime_ms_default],
  ['a guest is slowed down step by step before the rounds are over', limits.throttle_steps_max < limits.rounds_max],
  [
    'a registration has room for the chains of its files',
    limits.register_files_max * limits.chain_layers_max <= limits.registered_layers_max,
  ],
  [
    'a VM may have each disk, and the longest chain',
    Math.max(limits.vm_disks_max, limits.chain_layers_max) <= limits.vm_layers_max,
  ],
  ['a lease outlives its migration', limits.lease_seconds > limits.migration_seconds_max],
  ['a task ends within its migration', limits.task_seconds_max <= limits.migration_seconds_max],
];
