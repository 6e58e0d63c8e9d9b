/** The quotas of Amazon EventBridge's PutEvents, and the bound of the event log. Source: its API reference. */
export const limits = {
  entries_max: 10,
  /** All entries of one call, as AWS counts them. */
  request_bytes_max: 262_144,
  detail_type_chars_max: 128,
  /** The log is turned over at this size; the one before it is kept, too. */
  log_bytes_max: 16 * 1024 * 1024,
  /** Of a rule's target. */
  retries_max: 185,
  deliveries_at_once: 8,
  /** Between two attempts at one delivery. */
  delivery_pause_ms: 1000,
  /** A machine that slept, or whose clock was set, finds rules on a schedule due this much late at the most. */
  schedule_look_ms: 60_000,
} as const;
