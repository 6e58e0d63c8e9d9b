import type { Dice } from './dice.ts';

/** How often each kind of fault strikes, per call. */
export interface Rates {
  readonly lostRequest: number;
  readonly lostReply: number;
  readonly duplicate: number;
  /** A call takes seconds, up to more than its deadline. */
  readonly slow: number;
  /** The run of a function dies between two of its calls. */
  readonly functionKill: number;
  readonly portFails: number;
  /** It fails, but has taken effect. */
  readonly portFailsAfter: number;
  readonly portWaits: number;
  /** A list by query is older than what was written. */
  readonly stale: number;
  readonly coldStart: number;
  readonly storeFails: number;
  readonly storeFailsAfter: number;
  /** A call of a host's own (a file, a sleep) lets others go first. */
  readonly yields: number;
}

/** What will strike hosts as a whole, and when. Times in milliseconds from the start. */
export interface Plan {
  readonly rates: Rates;
  /** Faults end here. */
  readonly calmMs: number;
  /** After so many calls of its own that change something a host's agent dies: its process, or the whole host by loss of power. */
  readonly deaths: readonly {
    readonly host: number;
    readonly afterCalls: number;
    readonly power: boolean;
    readonly restartMs: number;
  }[];
  readonly full: readonly { readonly host: number; readonly fromMs: number; readonly toMs: number }[];
  readonly cutOff: readonly { readonly host: number; readonly fromMs: number; readonly toMs: number }[];
  readonly jumps: readonly { readonly host: number; readonly atMs: number; readonly byMs: number }[];
}

/** Most migrations are under way until then. */
const BUSY_MS = 60_000;

const KINDS = [
  'lostRequest',
  'lostReply',
  'duplicate',
  'slow',
  'functionKill',
  'portFails',
  'portFailsAfter',
  'portWaits',
  'stale',
  'coldStart',
  'storeFails',
  'storeFailsAfter',
  'yields',
] as const satisfies readonly (keyof Rates)[];

export const NO_FAULTS = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as unknown as Rates;

/**
 * Each seed has some kinds of faults and not others, seldom or often: together they would hide each other.
 * Source: A. Groce et al., Swarm Testing, ISSTA 2012.
 */
export function drawPlan(dice: Dice, hosts: number): Plan {
  const calmMs = dice.scale(20_000, 300_000);
  const rate = () => (dice.chance(0.5) ? dice.scale(0.002, 0.08) : 0);
  const rates = Object.fromEntries(KINDS.map((kind) => [kind, rate()])) as unknown as Rates;
  const some = <T>(chance: number, max: number, draw: () => T): T[] =>
    dice.chance(chance) ? Array.from({ length: dice.int(1, max) }, draw) : [];
  const host = () => dice.int(0, hosts - 1);
  const span = () => {
    const fromMs = dice.next() * Math.min(calmMs, BUSY_MS);
    return { host: host(), fromMs, toMs: Math.min(calmMs, fromMs + dice.scale(1_000, 120_000)) };
  };
  return {
    rates,
    calmMs,
    deaths: some(0.7, 4, () => ({
      host: host(),
      afterCalls: dice.chance(0.5) ? dice.int(1, 150) : Math.round(dice.scale(1, 400)),
      power: dice.chance(0.5),
      restartMs: dice.scale(100, 150_000),
    })),
    full: some(0.25, 2, span),
    cutOff: some(0.25, 2, span),
    jumps: some(0.2, 2, () => ({
      host: host(),
      atMs: dice.next() * calmMs,
      byMs: Math.round(dice.scale(1_000, 86_400_000)) * (dice.chance(0.5) ? 1 : -1),
    })),
  };
}
