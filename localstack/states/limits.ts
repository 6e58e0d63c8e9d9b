/**
 * The quotas of AWS Step Functions (Standard workflows) that the interpreter keeps, and the few bounds of its own.
 * Source: "Step Functions service quotas" in the AWS developer guide.
 */
export const limits = {
  /** Input or output of an execution, a state or a task, as UTF-8 JSON. */
  payload_bytes_max: 262_144,
  /** Events in one execution's history; the last place is kept for the event that ends it. */
  history_events_max: 25_000,
  /** Iterations of an inline Map that run at the same time, whatever MaxConcurrency says. */
  map_concurrency_max: 40,
  name_chars_max: 80,
  token_chars_max: 2_048,
  /** IntervalSeconds, Seconds, TimeoutSeconds, HeartbeatSeconds. */
  duration_s_max: 99_999_999,
  retry_delay_s_max: 31_622_400,
  /** Pages of ListExecutions and GetExecutionHistory. */
  page_items_max: 1_000,
  page_items_default: 100,
  /** Executions that run at the same time. AWS allows a million. */
  executions_open_max: 1_000,
  /** Ended executions that are remembered, the oldest going first. AWS keeps them for 90 days. */
  executions_closed_max: 1_000,
} as const;
