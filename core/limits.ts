import { planLimits } from './planner/limits.ts';

import { runningVmLimits } from './running-vm-limits.ts';

/** Every bound of the product, with its unit in its name. Nothing is unbounded. How they relate: limit-relations.ts. */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const limits = {
  // Geometry of layers (docs/FORMAT.md)
  chunk_bytes_min: 4 * KiB,
  chunk_bytes_max: 4 * MiB,
  chunk_bytes_default: 64 * KiB,
  segment_chunks: 4096,
  layer_segments_max: 65_536,
  disk_bytes_max: 16 * 1024 * GiB,
  chain_layers_max: 16,
  root_bytes_max: 56 + 32 * 65_536,
  segment_bytes_max: 8 + 1024 + 32 * 4096,

  // Packs
  frame_raw_bytes_max: 16 * MiB,
  frame_window_log: 24,
  frame_window_log_max: 26,
  frame_prefix_chunks_max: 1024,
  /** Several packs are in memory while one is filled: larger ones would break the agent's bound. */
  pack_raw_bytes_max: 32 * MiB,
  pack_raw_bytes_min: 4 * MiB,
  /** Over a slow link a pack that does not compress is on its way for so long, unless a push would make more of them than this. */
  pack_link_ms: 1_200,
  small_packs_max: 64,
  pack_frames_max: 4096,
  pack_chunks_max: 16_384,
  footer_bytes_max: 4 * MiB,
  /** What a reader asks for first when it wants a footer; one more GET if the footer is longer. */
  footer_guess_bytes: 64 * KiB,
  placement_bytes_max: 512 * KiB,

  // Index
  index_sampling_default: 8,
  batch_fingerprints_max: 16_384,
  /** Packs whose footers one batch may read; a batch that names more takes the most named. */
  batch_footers_max: 64,
  footer_cache_bytes: 64 * MiB,
  footer_reads_in_flight: 16,
  claim_ms: 10 * 60_000,
  claim_poll_ms: 2_000,

  // Agent
  /** Layers that an agent sends, and brings, at the same time: each has its own buffers, and one keeps cores and link busy. */
  pushes_at_once: 1,
  /** Base layers that are in work at a time: one is packed while what is left of the one before is committed. */
  layers_seeded_at_once: 2,
  pulls_at_once: 2,
  /** Base layers of one fetch that are in work at a time: one is pulled while the one before is read back. */
  layers_fetched_at_once: 2,
  scan_buffer_bytes: 8 * MiB,
  scan_buffers: 4,
  scan_workers_max: 4,
  /** zstd's: where the link is the faster one, and the highest where it is not. Tables are of 2^log entries for each frame in work. */
  pack_level_default: 2,
  pack_level_max: 9,
  zstd_level_max: 22,
  pack_hash_log_default: 17,
  /** Raw frames of one push in memory: one fills while the others are compressed. */
  frames_in_flight: 3,
  /** Segments that a pack, or a batch of fingerprints, may touch: it bounds what waits for them in memory. */
  pack_segments_max: 64,
  uploads_in_flight: 2,
  /** Packs of one push in memory: two that are sent and one that is filled if they do not shrink, many if they do. */
  pack_memory_bytes: 96 * MiB,
  /** What of them waits for the link before it counts that they are more and more, and twice as much if they count in full: some take longer to make than to send. */
  pack_backlog_ms: 2_000,
  /** Packs that wait for the link, are stored, or about to be, and not yet committed. */
  packs_settling_max: 32,
  /** Segments and placements of one layer that are sent or fetched at a time: they are small. */
  segments_in_flight: 8,
  segments_cached: 32,
  pulls_in_flight: 3,
  /** Of these, those that are decompressed and checked at a time: frames are the largest that a pull has in memory. */
  unpacks_at_once: 2,
  pull_gap_bytes: 256 * KiB,
  own_layers_max: 64,
  agent_tasks_max: 4,
  /** A push's journal is written anew, with the latest version of each segment alone, before it grows past this. */
  journal_bytes_max: 8 * MiB,
  poll_busy_ms: 500,
  poll_idle_ms: 1_000,
  poll_fast_ms: 100,
  /** A wait is noticed by the next poll after this share of the time it has lasted: short waits end soon, long ones cost few calls. */
  poll_wait_share: 8,
  /** How long an agent goes on polling as if busy after its last task: the next one mostly follows at once. */
  poll_linger_ms: 10_000,
  /** An agent that had nothing to do for so long polls so seldom: it costs less than a dollar a month then (docs/COST.md). */
  poll_rest_after_ms: 10 * 60_000,
  poll_rest_ms: 15_000,
  /** While a cutover is near a poll waits at the API for news, so long at the most: then no poll interval lies in the pause. */
  poll_wait_ms_max: 10_000,
  /** How often such a poll looks for rounds, receipts and words. A receipt costs the pause half of it on average. */
  poll_look_ms: 20,
  /** How often it looks for tasks, and for those that were cancelled: they are not in a hurry, and cost more reads. */
  poll_look_tasks_ms: 500,
  /** How often an agent looks whether its VMs or layers have changed. */
  rescan_ms: 15_000,
  /** How often an agent that has nothing to do looks for a base layer to read again, after how long, and how fast it does. */
  reread_look_ms: 60_000,
  reread_every_ms: 7 * 24 * 3600_000,
  reread_bytes_per_second: 16 * MiB,
  image_folder_depth_max: 4,
  image_files_max: 4096,
  arrival_names_max: 64,
  /** A live VM's disk is made valid and read back when so much was written since: little is left to read in the blackout. */
  readback_slice_bytes: 64 * MiB,
  launcher_bytes_max: 64 * KiB,
  launcher_arguments_max: 256,
  /** The system's own bound of a unix socket's path, without the NUL. */
  socket_path_bytes_max: 107,
  /** What a QEMU may take to answer on its QMP socket, and to run its guest once that has come over. */
  qemu_start_ms: 30_000,
  guest_runs_ms: 60_000,
  /** Where guests' memory comes in unless the agent's call says it: dynamic ports, and those that libvirt takes. */
  migration_port_first: 49_152,
  migration_port_last: 49_215,
  /** The last part of a QEMU's own words that an error quotes. */
  qemu_log_quoted_bytes: 2 * KiB,
  vms_per_host_max: 256,
  /** A host that has more base layers tells of them in several calls. */
  layers_per_enrolment_max: 4096,
  /** What an agent that was asked to stop takes to finish what it is sending. */
  agent_drain_ms: 20_000,
  agent_retry_attempts_max: 8,
  agent_retry_first_ms: 200,
  agent_retry_ms_max: 20_000,
  /** An object store that does not answer at all is asked this often, which takes ten minutes or more: a lost network comes back. */
  agent_away_attempts_max: 64,
  /** Signatures are refused at 15 minutes (AWS); a clock this far off is made up for when they are. */
  clock_skew_ms: 4 * 60_000,
  http_timeout_ms: 30_000,
  object_timeout_ms: 30_000,

  ...runningVmLimits,

  // API
  api_body_bytes_max: 1 * MiB,
  /** What the gateway lets through of all callers together; a busy host makes about ten calls a second. */
  api_calls_per_second: 500,
  api_calls_burst: 1000,
  /** A request that lies in the bucket as an object. */
  request_object_bytes_max: 64 * KiB,
  /** How often, and for how long, an event is delivered that its function fails on; then it is kept for somebody to look at. */
  event_attempts_max: 3,
  event_hours_max: 6,
  refused_events_days: 14,
  /** Rules of the plain app that ask for something again and again; EventBridge has 300 rules a bus, all of an account's share the default one. */
  schedules_max: 64,
  api_answer_bytes_max: 6 * MiB,
  name_length_max: 64,
  path_length_max: 1024,
  gang_vms_max: 16,
  segments_per_round_commit_max: 256,
  rounds_per_poll_max: 32,
  packs_per_announcement_max: 16,
  uri_length_max: 256,
  /** What a user may ask a pause to be at the most. */
  downtime_ms_default: 300,
  downtime_ms_max: 60_000,
  /** The least bandwidth that a migration can be held to; less would not end within a task's time. */
  rate_bytes_per_second_min: 64 * KiB,
  /** What a limited sender may send at once after it was idle: so much time's worth of its rate. */
  rate_burst_ms: 250,
  page_items_max: 100,
  /** Files that one registration may name, and the layers that they and what lies below them may be. */
  register_files_max: 16,
  registered_layers_max: 256,
  grant_seconds: 3600,
  /** Open tasks that a host may have at once; the others wait on the board. */
  tasks_per_host_max: 16,
  /** Polls come several times a second. The workflow hears of them, and what they tell is stored, only this often. */
  beat_ms: 10_000,
  progress_ms: 1_000,
  host_seen_ms: 30_000,
  /** A migration of which nothing moves is told of after this time, and again each time it has passed. */
  standstill_told_ms: 60_000,
  /** Then an alarm tells: an agent may read a large disk back for long, and counts nothing meanwhile. */
  standstill_alarm_ms: 3600_000,
  paced_keys_max: 4096,
  queries_in_flight: 8,

  // Rebuild of the index: what one call may do. It begins nothing new after `rebuild_call_ms`.
  rebuild_call_ms: 8_000,
  rebuild_objects_max: 64,
  rebuild_in_flight: 8,
  /** Parts in which the rows are gone through: one is read at a time, so that a million rows stay small. */
  rebuild_row_parts: 256,
  /** Packs that a call remembers to have seen. */
  rebuild_packs_known: 100_000,

  // Garbage collection. A page begins nothing new after `collection_call_ms`.
  /** How long nothing may have needed an object before it is removed. */
  garbage_grace_ms: 8 * 24 * 3600_000,
  /** For so long after its removal began nobody may rely on an object, even if it is put again: who removes it may still be about to. */
  removal_fence_ms: 60_000,
  /** How long the index tells that an object was removed, to whoever had found it just before. */
  removal_kept_seconds: 2 * 24 * 3600,
  /** An agent that is refused an object that leaves waits so long, and sends again, so often; at once if another push’s pack never came. */
  leaving_wait_ms: 2 * 60_000,
  leaving_attempts_max: 4,
  /** A layer that no host holds and no migration has used for so many days is withdrawn from the store. */
  layer_unused_days_default: 180,
  collection_every_days: 7,
  collection_call_ms: 10_000,
  collection_objects_max: 1000,
  collection_in_flight: 16,
  /** At four million ids in it one object in forty is kept by mistake, until the next run; at one million one in 200,000. */
  collection_filter_bytes: 4 * MiB,
  collection_filter_hashes: 8,
  /** A run that needs more fails, and has removed what it had come to. */
  collection_pages_max: 1000,
  collection_seconds_max: 6 * 3600,
  /** A run that was not heard of for so long is over: another may begin. */
  collection_stale_ms: 60 * 60_000,

  // Tables (DynamoDB). The first two are the service's own.
  table_get_keys_max: 100,
  table_put_items_max: 25,
  table_requests_in_flight: 8,
  table_attempts_max: 8,
  table_retry_first_ms: 50,
  table_retry_ms_max: 2_000,
  /** Writers of one item at the same time; each round of a contest has a winner. */
  table_contenders_max: 32,
  closed_task_kept_seconds: 30 * 24 * 3600,

  // Functions
  function_memory_mib: 512,
  /** A whole processor: batches of fingerprints, and packs that are checked, are the calls that compute much. */
  batch_memory_mib: 1769,
  function_seconds: 28,
  step_seconds: 120,
  step_state_seconds: 150,
  /** The gateway's own bound. */
  api_seconds_max: 29,
  log_days: 30,
  /** What calls and steps may cost in an hour, in US dollars, before an alarm tells. */
  dollars_per_hour_default: 5,
  /** When the bucket removes what a migration left over. */
  left_over_days: 7,

  // Live migration: when rounds go on, and when they end (core/convergence)
  rounds_max: 20,
  /** What a pause takes besides the last copy: swap of bitmaps, manifest, receipt, commit. */
  cutover_fixed_ms: 60,
  /** What a round takes besides its copy: the workflow's states and the agent's next poll. */
  round_fixed_ms: 1_000,
  /** Rounds of its own with which a cutover catches up before it pauses the VM. */
  cutover_rounds_max: 3,
  /** Another round is worth its while if it shortens the pause by this share. */
  round_gain_percent_min: 10,
  /** Each step halves what a guest may write, down to this. */
  throttle_steps_max: 6,
  throttle_bytes_per_second_min: 256 * KiB,

  ...planLimits,

  // Workflow
  /** VMs of a gang whose top layers move at the same time. */
  gang_moves_max: 4,
  /** How often a state calls its function if the function or Lambda itself fails. */
  step_attempts_max: 4,
  /** The same for the last states, which nothing could make good for: half an hour in all. */
  last_step_attempts_max: 14,
  step_delay_seconds_max: 300,
  history_events_max: 20_000,
  task_heartbeat_seconds: 60,
  task_seconds_max: 24 * 3600,
  migration_seconds_max: 72 * 3600,
  task_attempts_max: 3,
  lease_seconds: 73 * 3600,
  /** How often a migration may go on after a failure, its first run among them, and for how long after it was asked for. */
  runs_max: 20,
  resume_seconds_max: 4 * 24 * 3600,
  state_payload_bytes_max: 32 * KiB,
  events_list_per_cleanup_max: 1000,
  /** Pages that one clean-up removes, and how often it is called again before the bucket's expiry does the rest. */
  cleanup_pages_max: 20,
  cleanup_rounds_max: 50,
  notes_characters_max: 1024,
} as const;
