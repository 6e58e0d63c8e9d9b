import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { Bell } from '../../agent/daemon/bell.ts';
import { Enrolment, type EnrolmentOptions } from '../../agent/daemon/enrolment.ts';
import { Inbox } from '../../agent/daemon/inbox.ts';
import { PollLoop } from '../../agent/daemon/poll-loop.ts';
import { Runs, type RunsOptions } from '../../agent/daemon/runs.ts';
import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import { coded, keptLog, scripted } from './support.ts';

export const SILENCE: PollAnswer = {
  tasks: [],
  cancelled: [],
  rounds: [],
  receipts: [],
  incoming: [],
  settled: [],
};

/** A poll that the loop made, and how a test answers it. */
export interface Asked {
  readonly body: PollRequest;
  readonly signal: AbortSignal;
  answer(told?: Partial<PollAnswer>): void;
  fail(code: string): void;
}

/** A poll loop whose polls are answered by hand, on a clock that a test advances. */
export function startPolling() {
  const clock = createManualClock();
  const asked: Asked[] = [];
  const looks: number[] = [];
  const wake = new Bell();
  const inbox = new Inbox(clock, wake);
  const log = keptLog();
  const api = scripted((name, { body, signal }) => {
    if (name !== 'poll') return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<PollAnswer>();
    signal!.addEventListener('abort', () => reject(signal!.reason));
    asked.push({
      body: body as PollRequest,
      signal: signal!,
      answer: (told) => resolve({ ...SILENCE, ...told }),
      fail: (code) => reject(coded(code)),
    });
    return promise;
  });
  const known = {
    images: {
      async vms() {
        looks.push(clock.nowMs());
        return [];
      },
    },
    catalog: { bases: async () => ({ held: [], lost: [] }) },
  } as unknown as Pick<EnrolmentOptions, 'images' | 'catalog'>;
  const freeBytes = async () => 1000;
  const options = { ref: 'a/h1', api, clock, measures: { rates: () => ({}) } } as const;
  const enrolment = new Enrolment({ ...known, ...options, brought: { has: () => false }, version: '1', freeBytes });
  const runs = new Runs({
    api,
    clock,
    log,
    storeFor: () => ({ close: () => undefined }) as ReturnType<RunsOptions['storeFor']>,
    perform: () => new Promise(() => undefined),
    onEnd: () => wake.ring(),
  });
  const tidy = async () => undefined;
  const loop = new PollLoop({
    ...options,
    instance: 'f'.repeat(32),
    log,
    enrolment,
    runs,
    inbox,
    tidy,
    freeBytes,
    wake,
  });
  const stopping = new AbortController();
  const running = loop.run(stopping.signal);
  return {
    clock,
    inbox,
    wake,
    asked,
    /** When it looked for news of its own to enrol with. */
    looks,
    async stop() {
      stopping.abort(coded('AGENT_STOPPED'));
      await running;
    },
  };
}

export type Polling = ReturnType<typeof startPolling>;
