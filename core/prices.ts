/**
 * List prices of eu-central-1 in US dollars, for forecasts. What is billed depends on region, free tier and contract.
 * Source: the services' pricing pages.
 */
export const PRICES = {
  asOf: '2026-11',
  apiCall: 3.7e-6,
  functionCall: 0.2e-6,
  /** On ARM. */
  functionGibSecond: 13.3334e-6,
  stateTransition: 25e-6,
  tableReadUnit: 0.1525e-6,
  tableWriteUnit: 0.7625e-6,
  objectPut: 5.4e-6,
  objectGet: 0.43e-6,
  objectGbMonth: 0.0245,
  /** Out of the region to the internet, after the first 100 GB of a month. */
  egressGb: 0.09,
  keyMonth: 1,
  alarmMonth: 0.1,
  dashboardMonth: 3,
  /** Of the functions' own metrics; each hour counts in which one has a value. */
  metricMonth: 0.3,
} as const;

/** What one call of the API, one step of the workflow and one poll of an idle agent use on the average: estimates, on the high side. */
const CALL = { gibSeconds: 0.05, reads: 4, writes: 2 };
const IDLE_POLL = { gibSeconds: 0.02, reads: 2, writes: 1 };
const STEP = { gibSeconds: 0.1, reads: 10, writes: 5, transitions: 3 };

/** Dollars for one call of the API with all that it sets off. */
export const CALL_DOLLARS = PRICES.apiCall + worth(CALL);

/** Dollars for a poll that finds nothing to do. */
export const IDLE_POLL_DOLLARS = PRICES.apiCall + worth(IDLE_POLL);

/** Dollars for one step of the workflow with all that it sets off. */
export const STEP_DOLLARS = STEP.transitions * PRICES.stateTransition + worth(STEP);

function worth({ gibSeconds, reads, writes }: { gibSeconds: number; reads: number; writes: number }): number {
  const computed = PRICES.functionCall + gibSeconds * PRICES.functionGibSecond;
  return computed + reads * PRICES.tableReadUnit + writes * PRICES.tableWriteUnit;
}
