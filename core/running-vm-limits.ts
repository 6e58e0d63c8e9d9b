const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** The bounds of what is asked of running VMs' QEMUs, of their rounds and pauses. To be read as a part of `limits`. */
export const runningVmLimits = {
  /** QEMU tells its whole schema in one line, about 0.4 MiB of it. */
  qmp_line_bytes_max: 4 * MiB,
  qmp_schema_entries_max: 20_000,
  qmp_commands_in_flight: 4,
  /** Events that wait to be read by one who asked for them. */
  qmp_events_max: 256,
  qmp_command_ms: 20_000,
  qmp_connect_ms: 5_000,
  qmp_connect_retry_ms: 100,
  /** Sockets in a folder of monitors that are asked at the same time, and how often one is asked again that was refused. */
  qmp_sockets_at_once: 4,
  qmp_refused_again_ms: 60_000,
  nbd_requests_in_flight: 16,
  /** One read request; QEMU allows 32 MiB. */
  nbd_read_bytes_max: 1 * MiB,
  /** Chunks that the answer to one read may come in. */
  nbd_chunks_max: 4096,
  /** What QEMU sends of one answer to a block status request at the most. */
  nbd_status_bytes_max: 1 * MiB + 4,
  nbd_status_range_bytes_max: 1 * GiB,
  /** Texts, names and contexts that a server tells of while it negotiates. */
  nbd_option_bytes_max: 64 * KiB,
  nbd_option_replies_max: 64,
  /** What a client of ours may ask while it negotiates. */
  nbd_options_max: 64,
  /** The bytes of one request that a server of ours takes or gives: QEMU's mirrors send so many. It is all that a client takes of memory. */
  nbd_served_bytes_max: 1 * MiB,
  /** A server that owes an answer and says nothing for so long is given up. */
  nbd_silence_ms: 20_000,
  nbd_connect_ms: 5_000,
  /** What a VM's QEMU has to let go of its disk after a round, or when a migration is given up. */
  live_cleanup_ms: 10_000,
  /** A VM whose migration nobody goes on with for so long is left as it was. */
  live_idle_ms: 60_000,
  bitmap_granularity_bytes_max: 64 * KiB,
  /** What the copy of a mirrored disk leaves free in its file system, in which the guest's disk may lie, too; and how often it looks. */
  mirror_free_bytes_min: 1 * GiB,
  mirror_look_bytes: 64 * MiB,
  /** How often a mirror is asked how far it is, while nothing comes of it. */
  mirror_progress_ms: 500,
  vm_disks_max: 16,
  /** Disks of a VM whose last changes are sent at the same time: its guest waits. */
  disks_at_once: 4,
  /** Of all its disks: what is known of a VM is one item of a table. */
  vm_layers_max: 64,
  /** A guest that was let go has gone by then, or nobody knows. */
  ram_switchover_ms_max: 60_000,
  ram_look_ms: 20,
  /** How often a guest's memory is gone through until little enough is left: what is written at nine tenths of the rate gets less in it. */
  ram_passes_max: 100,
  /** How long a source keeps a guest that has gone stopped, and hears nothing of it, before it takes it back. */
  guest_told_ms: 30_000,
  /** How long a source whose guest's memory could not be sent waits for its destination to say that it goes elsewhere. */
  incoming_again_ms: 20_000,
  /** As fast as the link: a rate of its own would make the pause longer. */
  ram_bytes_per_second_max: 8 * GiB,
  /** How long a source with a guest that waits to go asks whether it is committed, before it takes the guest back. */
  commit_unknown_ms_max: 2_000,
  /** So few bytes more or less make no difference to a pause. */
  cutover_small_bytes: 1 * MiB,
  /** How long a guest is stopped for its destination to agree, beside what its last bytes take. */
  pause_ms_max: 20_000,

  // Layers made of flat disks, and layers compared
  /** Whose map is looked at at a time, of both disks. */
  compare_window_bytes: 64 * MiB,
  /** A buffer of each disk for each. */
  compare_pairs_in_flight: 2,
  /** There must be room for so much more whenever so much was written: other disks grow on the same file system. */
  derive_room_bytes: 64 * MiB,
  /** Layers of which a similarity report tells: who has a chunk is kept in 32 bits. */
  similarity_layers_max: 32,
  /** Different chunks that are in memory while layers are compared: their manifests are gone through as often as it takes. */
  similarity_chunks_in_memory: 1024 * 1024,
  similarity_vms_max: 1_000_000,
  /** What is read of a disk to find a base for it: chunks that hold something, and bytes in all, in so many segments. */
  sample_chunks_max: 1024,
  sample_bytes_max: 128 * MiB,
  sample_segments_max: 32,
  /** Images of a host that are looked at for one that a disk could lie on. */
  suggest_images_max: 256,
  /** Layers of a namespace that are thought of, of those the best whose overlays are looked at, and objects that are read in all. */
  match_layers_max: 1000,
  match_branches_max: 4,
  match_reads_max: 1024,
} as const;
