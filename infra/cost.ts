import { limits } from '../core/limits.ts';
import { BY_TREATMENT, metrics } from '../core/metrics.ts';
import { type Cost, costOf } from '../core/planner/dollars.ts';
import { IDLE_POLL_DOLLARS, PRICES } from '../core/prices.ts';
import { TREATMENTS } from '../core/treatments.ts';

const MONTH_SECONDS = 30 * 24 * 3600;
const TB = 1e12;
/** Of the stack (infra/operations); a test compares. */
export const ALARMS = 11;

/** At 16 in flight and some tens of milliseconds each: an estimate, on the low side. */
const OBJECTS_PER_PAGE = 2_000;
const PAGE_SECONDS = limits.collection_call_ms / 1000;
const PAGE_DOLLARS =
  3 * PRICES.stateTransition +
  PRICES.functionCall +
  PRICES.objectPut +
  ((PAGE_SECONDS * limits.function_memory_mib) / 1024) * PRICES.functionGibSecond;

/** What the stack costs in a month in which nobody uses it, in US dollars. */
export function idleStack(): Cost[] {
  return [
    { item: 'dashboard (an account’s first three are free)', dollars: PRICES.dashboardMonth },
    { item: 'key', dollars: PRICES.keyMonth },
    { item: `${ALARMS} alarms (an account’s first ten are free)`, dollars: ALARMS * PRICES.alarmMonth },
  ];
}

/** What our own metrics cost in a month in which each has a value in every hour: more they can't. */
export function busyMetrics(): Cost[] {
  const many = Object.keys(metrics).length - BY_TREATMENT.length + BY_TREATMENT.length * TREATMENTS.length;
  return [{ item: `${many} metrics`, dollars: many * PRICES.metricMonth }];
}

/** What a host costs in a month in which it has nothing to do. */
export function idleHost(): Cost[] {
  const polls = (MONTH_SECONDS * 1000) / limits.poll_rest_ms;
  return [
    { item: `${Math.round(polls)} polls, one in ${limits.poll_rest_ms / 1000} s`, dollars: polls * IDLE_POLL_DOLLARS },
  ];
}

/** What moving `bytes` (raw) costs that compress to `ratio` of their size and are all new to the store. */
export function moved(bytes: number, ratio: number): Cost[] {
  const { chunk_bytes_default, segment_chunks } = limits;
  const chunks = Math.ceil(bytes / chunk_bytes_default);
  const segments = Math.ceil(chunks / segment_chunks);
  const stored = bytes * ratio;
  return costOf({
    packs: Math.ceil(bytes / limits.pack_raw_bytes_max),
    pulledBytes: stored,
    indexedChunks: chunks,
    segments,
    lookups: segments,
    keptBytes: stored,
  });
}

/** What a garbage collection costs over a store of `bytes` (raw), whose layers are as in `moved`. */
export function collected(bytes: number): Cost[] {
  const { pack_raw_bytes_max, chunk_bytes_default, segment_chunks, collection_objects_max } = limits;
  const packs = Math.ceil(bytes / pack_raw_bytes_max);
  const segments = Math.ceil(bytes / chunk_bytes_default / segment_chunks);
  const objects = packs + 2 * segments;
  const lists = Math.ceil(objects / collection_objects_max);
  const pages = Math.ceil(objects / OBJECTS_PER_PAGE);
  return [
    { item: `${lists} LISTs`, dollars: lists * PRICES.objectPut },
    { item: `${segments} GETs of placements`, dollars: segments * PRICES.objectGet },
    { item: `${objects} look-ups of marks`, dollars: objects * PRICES.tableReadUnit },
    { item: `${pages} pages of ${limits.collection_call_ms / 1000} s`, dollars: pages * PAGE_DOLLARS },
  ];
}

/** docs/COST.md: `npm run cost`. */
export function costPage(): string {
  return `# What LayerMover costs on AWS

List prices of eu-central-1 as of ${PRICES.asOf} (core/prices.ts), in US dollars, without the free tier. \`npm run cost\` writes this page.

## A stack that nobody uses, a month

${table(idleStack())}

## An idle host, a month

${table(idleHost())}

An agent polls every ${limits.poll_idle_ms / 1000} s; after ${limits.poll_rest_after_ms / 60_000} minutes without a task it rests and polls every ${limits.poll_rest_ms / 1000} s, so the first
task after a rest waits that long at the most.

## Metrics, a month in which each has a value in every hour

${table(busyMetrics())}

An hour in which nothing is measured costs nothing.

## A terabyte of base layers that are new to the store

Compressed to half its size; packs and manifests stay, so that the next VM on these layers sends nothing.

${table(moved(TB, 0.5))}

User data goes the same way without index rows, and is removed from the store when its migration ends. A base layer that the
destination has costs a few calls, whatever its size. Traffic into AWS, and from S3 to functions of its region, is free;
traffic to a destination within the same region is, too.

## A garbage collection over that terabyte

${table(collected(TB))}

One a week by default; what it removes costs no more storage.

## An alarm on it

\`dollarsPerHourMax\` (default ${limits.dollars_per_hour_default}) raises CostPerHour (docs/OPERATIONS.md) when the calls and steps of an hour cost more than that.
`;
}

function table(costs: readonly Cost[]): string {
  const rows = costs.map(({ item, dollars }) => `| ${item} | ${dollars.toFixed(2)} |`);
  const sum = costs.reduce((all, { dollars }) => all + dollars, 0);
  return ['| what | $ |', '|---|---:|', ...rows, `| **all** | **${sum.toFixed(2)}** |`].join('\n');
}
