import * as z from 'zod';
import { ORIGINS } from '../planner/rates.ts';
import { TREATMENTS } from '../treatments.ts';
import { count, hostRef, vmName } from './names.ts';

/** What a plan rests on, and what it expects. Bytes, milliseconds, US dollars. */
const rate = z.object({ value: z.number().positive(), from: z.enum(ORIGINS) });

/** What an agent knows of its host and link: bytes a second, milliseconds of calls. */
export const knownRates = z.object({
  hash: rate.optional(),
  compress: rate.optional(),
  unpack: rate.optional(),
  up: rate.optional(),
  down: rate.optional(),
  call: rate.optional(),
  lookup: rate.optional(),
  load: rate.optional(),
});

export const share = z.object({ value: z.number().min(0).max(1), seen: count, all: count });

const taken = { milliseconds: count, wire_bytes: count };

export const layerForecast = z.object({
  ...taken,
  pulled_bytes: count,
  /** What the other treatment would take; absent if there is none. */
  other: z.object({ treatment: z.enum(TREATMENTS), ...taken }).optional(),
  /** The share of its chunks that the index has, or will have by its turn; absent if nobody looked. Counted in hooks. */
  duplicates: share.optional(),
  /** What is left of it after compression; absent if nobody tried. Counted in bytes. */
  compressed: share.optional(),
  /** zstd's level at which it was tried, and is expected to be sent. */
  level: count.optional(),
});
export type LayerForecast = z.infer<typeof layerForecast>;

/** From one source to the destination. */
export const linkRates = z.object({
  source: hostRef,
  hash: rate,
  compress: rate,
  unpack: rate.optional(),
  up: rate,
  down: rate,
  read_back: rate,
  call: rate,
  lookup: rate,
  load: rate.optional(),
});
export type LinkRates = z.infer<typeof linkRates>;

export const migrationForecast = z.object({
  /** When it was made: its milliseconds begin there. */
  at_ms: count,
  ...taken,
  pulled_bytes: count,
  dollars: z.number().nonnegative(),
  costs: z.array(z.object({ item: z.string(), dollars: z.number().nonnegative() })),
  /** The same VMs one after the other: each finds what those before it brought. */
  one_by_one: z.object(taken),
  /** The same VMs, each as if none of the others were moved. */
  each_alone: z.object(taken),
  /** Of running VMs: rounds, and the pause of the cutover; no pause where it is expected to be given up. */
  pauses: z
    .array(z.object({ vm: vmName, writes_bytes_per_second: count, rounds: count, pause_ms: count.optional() }))
    .optional(),
  rates: z.array(linkRates),
});
export type MigrationForecast = z.infer<typeof migrationForecast>;
