/** Every bound of the embedded cloud's front, functions and API. Where AWS has a quota, its figure is used. */
const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
  // HTTP front
  connections_max: 1024,
  header_bytes_max: 16 * KiB,
  /** A pack over a slow link takes its time. */
  request_ms_max: 3_600_000,
  keep_alive_ms: 65_000,
  /** A connection on which nothing moves for so long is half open: its other end is gone. */
  still_ms: 60_000,
  drain_ms: 500,

  // API Gateway (REST) quotas
  api_body_bytes_max: 10 * MiB,
  api_header_bytes_max: 10_240,
  api_integration_ms_default: 29_000,

  // Lambda quotas
  lambda_payload_bytes_max: 6 * MiB,
  lambda_timeout_s_default: 3,
  lambda_memory_mib_default: 128,
  lambda_init_ms: 10_000,

  // How many execution environments a function may have at once, and how many calls may wait for one
  environments_max: 16,
  /** How long calls wait without an environment coming free before another one is started. */
  environment_growth_ms: 100,
  environment_idle_ms: 120_000,
  queue_calls_max: 256,
  function_log_bytes: 4 * MiB,

  // JSON services (DynamoDB's own request bound is the largest of them)
  service_body_bytes_max: 16 * MiB,
} as const;

function assertLimits(holds: boolean, what: string): void {
  if (!holds) throw new RangeError(`limits: ${what}`);
}

assertLimits(
  limits.lambda_payload_bytes_max <= limits.api_body_bytes_max,
  'a function takes no more than the API lets in',
);
assertLimits(limits.api_integration_ms_default < limits.still_ms, 'a connection outlives the answer that it waits for');
assertLimits(
  limits.api_header_bytes_max <= limits.header_bytes_max,
  'the API judges headers before the server cuts them',
);
