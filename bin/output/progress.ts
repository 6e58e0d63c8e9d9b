import { SingleBar } from 'cli-progress';
import type { MigrationView } from '../../core/api/views.ts';
import { hasEnded } from '../../core/migration.ts';
import { jsonLine } from './json-lines.ts';
import { liveVms, roundWords } from './live.ts';
import { type Amounts, amountsOf, Pace, shareOf } from './pace.ts';
import { bytes, seconds } from './units.ts';

/** Shows a running migration: a bar on a terminal, a line now and then elsewhere, JSON lines if asked. Progress goes to stderr. */
export interface Progress {
  show(migration: MigrationView): void;
  stop(): void;
}

const LINE_EVERY_MS = 2_000;
const WIDE_COLUMNS = 110;

/** What goes on, in words: as long as no layer is planned, and when all are there, bytes don't tell. */
function doing(migration: MigrationView, amounts: Amounts, pace: ReturnType<Pace['see']>): string {
  if (hasEnded(migration.state)) return '';
  if (amounts.totalBytes === 0) return migration.state === 'preparing' ? 'the source looks at its layers' : '';
  const { handledBytes, doneBytes, totalBytes, wireBytes } = amounts;
  const rounds = roundWords(migration);
  if (rounds.length > 0) return [...rounds, `${bytes(wireBytes)} on the wire`].join(' · ');
  if (doneBytes >= totalBytes) return `all ${bytes(totalBytes)} there; read back and compared now`;
  const parts = [
    `${bytes(handledBytes)} in the store, ${bytes(doneBytes)} arrived of ${bytes(totalBytes)}`,
    `${bytes(wireBytes)} on the wire`,
    ...(pace.bytesPerSecond === undefined ? [] : [`${bytes(pace.bytesPerSecond)}/s`]),
    ...(pace.secondsLeft === undefined ? [] : [`${seconds(pace.secondsLeft)} left`]),
  ];
  return parts.join(' · ');
}

function bar(nowMs: () => number): Progress {
  const line = new SingleBar({
    format: '{state} |{bar}| {percentage} % {words}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barsize: (process.stderr.columns ?? WIDE_COLUMNS) < WIDE_COLUMNS ? 10 : 30,
  });
  const pace = new Pace();
  let started = false;
  return {
    show(migration) {
      const amounts = amountsOf(migration);
      const words = doing(migration, amounts, pace.see(amounts, nowMs()));
      const payload = { state: migration.state.padEnd(9), words };
      if (!started) line.start(100, 0, payload);
      started = true;
      line.update(Math.floor(100 * shareOf(amounts)), payload);
    },
    stop: () => line.stop(),
  };
}

function lines(nowMs: () => number): Progress {
  const pace = new Pace();
  let last = '';
  let nextMs = 0;
  return {
    show(migration) {
      const amounts = amountsOf(migration);
      const speed = pace.see(amounts, nowMs());
      if (migration.state === last && nowMs() < nextMs) return;
      last = migration.state;
      nextMs = nowMs() + LINE_EVERY_MS;
      const words = doing(migration, amounts, speed);
      process.stderr.write(`${migration.id} ${migration.state}${words === '' ? '' : `: ${words}`}\n`);
    },
    stop: () => undefined,
  };
}

function json(nowMs: () => number): Progress {
  const pace = new Pace();
  return {
    show(migration) {
      const amounts = amountsOf(migration);
      const { bytesPerSecond, secondsLeft } = pace.see(amounts, nowMs());
      const live = liveVms(migration).map((vm) => ({ vm: vm.name, ...vm.live }));
      jsonLine('status', {
        migration: migration.id,
        state: migration.state,
        handled_bytes: amounts.handledBytes,
        done_bytes: amounts.doneBytes,
        total_bytes: amounts.totalBytes,
        wire_bytes: amounts.wireBytes,
        ...(bytesPerSecond === undefined ? {} : { bytes_per_second: Math.round(bytesPerSecond) }),
        ...(secondsLeft === undefined ? {} : { seconds_left: secondsLeft }),
        ...(live.length === 0 ? {} : { live }),
      });
    },
    stop: () => undefined,
  };
}

export function progress(options: { json: boolean; nowMs: () => number }): Progress {
  if (options.json) return json(options.nowMs);
  const terminal = process.stderr.isTTY && process.env.TERM !== 'dumb';
  return terminal ? bar(options.nowMs) : lines(options.nowMs);
}
