/** The quotas of Amazon EventBridge's PutEvents, and the bound of the event log. Source: its API reference. */
export const limits = {
  entries_max: 10,
  /** All entries of one call, as AWS counts them. */
  request_bytes_max: 262_144,
  detail_type_chars_max: 128,
  /** The log is turned over at this size; the one before it is kept, too. */
  log_bytes_max: 16 * 1024 * 1024,
} as const;
