import { SingleBar } from 'cli-progress';
import { jsonLine } from './json-lines.ts';
import { bytes } from './units.ts';

/** How far a verb is that reads disks of this machine. */
export interface Work {
  show(phase: string, doneBytes: number, totalBytes: number): void;
  stop(): void;
}

const EVERY_MS = 1_000;

/** Tells how far work is: a bar on a terminal, a line now and then elsewhere, JSON lines if asked. */
export function workProgress({ json, nowMs }: { json: boolean; nowMs: () => number }): Work {
  const terminal = process.stderr.isTTY && process.env.TERM !== 'dumb';
  const tell = json ? jsonWork : terminal ? undefined : lineWork;
  return tell === undefined ? barWork() : sometimes(tell, nowMs);
}

type Tell = Work['show'];

const jsonWork: Tell = (phase, done_bytes, total_bytes) => jsonLine('working', { phase, done_bytes, total_bytes });

const lineWork: Tell = (phase, done, total) => {
  process.stderr.write(`${phase}: ${bytes(done)} of ${bytes(total)}\n`);
};

/** Each phase's beginning, and then one line a second. */
function sometimes(tell: Tell, nowMs: () => number): Work {
  let last = '';
  let nextMs = 0;
  return {
    show(phase, done, total) {
      if (phase === last && nowMs() < nextMs) return;
      last = phase;
      nextMs = nowMs() + EVERY_MS;
      tell(phase, done, total);
    },
    stop: () => undefined,
  };
}

function barWork(): Work {
  const bar = new SingleBar({
    format: '{phase} |{bar}| {percentage} % of {size}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 30,
  });
  let started = false;
  return {
    show(phase, done, total) {
      const payload = { phase: phase.padEnd(9), size: bytes(total) };
      if (!started) bar.start(100, 0, payload);
      started = true;
      bar.update(total === 0 ? 100 : Math.floor((100 * done) / total), payload);
    },
    stop: () => bar.stop(),
  };
}
