/** How a rate is known: measured for this plan, in past transfers of the host, or not at all. */
export const ORIGINS = ['measured', 'remembered', 'assumed'] as const;
export type Origin = (typeof ORIGINS)[number];

export interface Rate {
  readonly value: number;
  readonly from: Origin;
}

/** What an agent may know of its host and link: bytes a second, milliseconds of calls, and how busy the host is otherwise. */
export const RATE_NAMES = ['hash', 'compress', 'unpack', 'up', 'down', 'call', 'lookup', 'load'] as const;
export type RateName = (typeof RATE_NAMES)[number];
export type KnownRates = { readonly [R in RateName]?: Rate | undefined };

/** What a transfer between two hosts is predicted from. */
export interface Rates {
  /** The source reads and fingerprints, on all its threads. */
  readonly hash: Rate;
  /** The source compresses, on all its threads. */
  readonly compress: Rate;
  /** How many times as long as its samples say the source takes to read, fingerprint and compress while it sends. */
  readonly load: Rate;
  /** From the source to the store. */
  readonly up: Rate;
  /** From the store to the destination. */
  readonly down: Rate;
  /** The destination decompresses, checks and writes, on all its threads. */
  readonly unpack: Rate;
  /** The destination reads back what it wrote. */
  readonly readBack: Rate;
  /** Milliseconds of one call of the API. */
  readonly call: Rate;
  /** Milliseconds of one batch of fingerprints, asked for by itself. */
  readonly lookup: Rate;
}

const MB = 1e6;

/** Where nothing is known: one core, a link of 100 Mbit/s, a cloud that is near. What rests on these says so. */
export const ASSUMED: Readonly<Record<RateName, number>> = {
  hash: 1000 * MB,
  compress: 400 * MB,
  unpack: 400 * MB,
  up: 12.5 * MB,
  down: 12.5 * MB,
  call: 15,
  lookup: 30,
  load: 1,
};

/** The rates between two hosts, from what their agents know; `upMax` is what a source may send a second, if that is bounded. */
export function ratesBetween(source: KnownRates, destination: KnownRates, upMax?: number): Rates {
  const up = rateOf(source, 'up');
  return {
    hash: rateOf(source, 'hash'),
    compress: rateOf(source, 'compress'),
    up: upMax === undefined || up.value <= upMax ? up : { value: upMax, from: 'measured' },
    down: rateOf(destination, 'down'),
    load: rateOf(source, 'load'),
    unpack: rateOf(destination, 'unpack'),
    readBack: rateOf(destination, 'hash'),
    call: rateOf(source, 'call'),
    lookup: rateOf(source, 'lookup'),
  };
}

/** A rate, assumed if it is not known. */
export function rateOf(rates: KnownRates, name: RateName): Rate {
  const rate = rates[name];
  return rate !== undefined && rate.value > 0 ? rate : { value: ASSUMED[name], from: 'assumed' };
}
