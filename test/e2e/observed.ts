import { setTimeout as sleep } from 'node:timers/promises';

/** An event on the bus, as it reaches others. */
export interface Told {
  readonly id: string;
  readonly source: string;
  readonly 'detail-type': string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What is kept of an event that failed for good. Source: "Destination record", Lambda's guide on asynchronous invocations. */
export interface Refused {
  readonly requestContext: { readonly condition: string; readonly approximateInvokeCount: number };
  readonly requestPayload: { readonly detail: Readonly<Record<string, unknown>> };
  readonly responsePayload: { readonly errorMessage: string };
}

/** What a cloud tells of a stage's namespace: each answer holds all that was told so far. */
export interface Observer {
  events(): Promise<readonly Told[]>;
  refused(): Promise<readonly Refused[]>;
  /** Removes what observing took. */
  close(): Promise<void>;
}

const LOOK_MS = 500;

/** Looks until `isEnough` or the time is over; answers what was told by then. */
export async function until<Found>(
  look: () => Promise<readonly Found[]>,
  isEnough: (found: readonly Found[]) => boolean,
  msMax: number,
): Promise<readonly Found[]> {
  const end = performance.now() + msMax;
  for (;;) {
    const found = await look();
    if (isEnough(found) || performance.now() > end) return found;
    await sleep(LOOK_MS);
  }
}
