const MiB = 1024 * 1024;

/** Bounds of the planner, and of what agents find out for it. A part of core/limits.ts. */
export const planLimits = {
  /** What a base layer's deduplication may add to a migration, for what the next one saves by it: so much of its time, or so long. */
  plan_investment_percent: 4,
  plan_investment_ms: 500,
  /** Batches of fingerprints after which a push knows whether it pays to ask. */
  lookup_trial_batches: 4,
  /** What a survey reads of a layer that nobody has read, and of one whose compression nobody has tried. */
  survey_sample_bytes_max: 32 * MiB,
  /** Of each frame of that, what is compressed at a higher level, too. */
  survey_level_bytes: 2 * MiB,
  /** Pieces in which it does, evenly over what the layer holds. */
  survey_piece_bytes: 1 * MiB,
  /** Fingerprints that a survey tells of all its layers together: they lie in its task's item. */
  survey_hooks_max: 4096,
  /** Objects that a plan reads of the manifests of what the destination holds: 64 segments are of 16 GiB. */
  plan_reads_max: 64,
  /** Segments of a manifest that it looks into for them: what is known must cost next to no reads. */
  survey_segments_max: 6,
  /** How long a survey looks at what a running guest writes, at the least. */
  guest_look_ms: 1_000,
  /** Less than this tells nothing of a rate. */
  rate_sample_bytes_min: 4 * MiB,
  /** What goes on and on is told of after this time. */
  rate_window_ms: 60_000,
  /** What was measured by so many bytes counts as much as all that was known before. */
  rate_memory_bytes: 64 * MiB,
  /** An object that is smaller tells how long a call takes, not how fast the link is. */
  link_object_bytes_min: 1 * MiB,
  /** Layers whose compression an agent keeps in mind. */
  ratios_kept_max: 512,
  /** What a migration takes besides its layers: states of the workflow, and the polls by which agents hear of tasks, receipt and commit. */
  migration_fixed_ms: 1_000,
  /** What a layer takes besides its bytes: its rounds are heard of by polls, what they name is fetched first, its file is made durable. */
  layer_fixed_ms: 400,
} as const;
