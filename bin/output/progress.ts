import { SingleBar } from 'cli-progress';
import type { MigrationView } from '../../core/api/views.ts';
import { jsonLine } from './json-lines.ts';
import { bytes } from './units.ts';

/** Shows a running migration: a bar on a terminal, a line now and then elsewhere, JSON lines if asked. Progress goes to stderr. */
export interface Progress {
  show(migration: MigrationView): void;
  stop(): void;
}

const LINE_EVERY_MS = 2_000;

function totals(migration: MigrationView) {
  const layers = migration.vms
    .flatMap((vm) => vm.layers)
    .filter((layer) => !layer.shared && layer.treatment !== 'skip');
  const sum = (pick: (layer: (typeof layers)[number]) => number) => layers.reduce((all, layer) => all + pick(layer), 0);
  return {
    done: sum((layer) => layer.done_bytes),
    total: sum((layer) => layer.total_bytes),
    wire: sum((layer) => layer.wire_bytes),
  };
}

function bar(): Progress {
  const line = new SingleBar({
    format: '{state} |{bar}| {percentage} % · {done} of {all} · {wire} on the wire',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  let started = false;
  return {
    show(migration) {
      const { done, total, wire } = totals(migration);
      const words = { state: migration.state.padEnd(9), done: bytes(done), all: bytes(total), wire: bytes(wire) };
      if (!started) line.start(Math.max(total, 1), done, words);
      started = true;
      line.setTotal(Math.max(total, 1));
      line.update(done, words);
    },
    stop: () => line.stop(),
  };
}

function lines(nowMs: () => number): Progress {
  let last = '';
  let nextMs = 0;
  return {
    show(migration) {
      if (migration.state === last && nowMs() < nextMs) return;
      last = migration.state;
      nextMs = nowMs() + LINE_EVERY_MS;
      const { done, total, wire } = totals(migration);
      const amount = total > 0 ? `: ${bytes(done)} of ${bytes(total)}, ${bytes(wire)} on the wire` : '';
      process.stderr.write(`${migration.id} ${migration.state}${amount}\n`);
    },
    stop: () => undefined,
  };
}

const json: Progress = {
  show(migration) {
    const { done, total, wire } = totals(migration);
    jsonLine('status', {
      migration: migration.id,
      state: migration.state,
      done_bytes: done,
      total_bytes: total,
      wire_bytes: wire,
    });
  },
  stop: () => undefined,
};

export function progress(options: { json: boolean; nowMs: () => number }): Progress {
  if (options.json) return json;
  return process.stderr.isTTY ? bar() : lines(options.nowMs);
}
