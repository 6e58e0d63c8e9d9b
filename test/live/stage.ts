import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { createMemoryObjects } from '../../adapters/memory/objects.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { Rates } from '../../agent/daemon/rates.ts';
import { openState } from '../../agent/daemon/state.ts';
import type { DiskWriter } from '../../agent/disk/writer.ts';
import { RunningVms } from '../../agent/images/running-vms.ts';
import { Journals } from '../../agent/journal/journals.ts';
import { Sessions } from '../../agent/live/sessions.ts';
import { Busy } from '../../agent/measure/busy.ts';
import { Pace } from '../../agent/pack/pace.ts';
import { type PullRound, pullLayer } from '../../agent/pull/pull-layer.ts';
import { Outbox } from '../../agent/push/outbox.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { Fetches } from '../../agent/tasks/fetches.ts';
import { perform } from '../../agent/tasks/perform.ts';
import { createSource } from '../../agent/tasks/source.ts';
import { settleCutover } from '../../agent/tasks/take-back.ts';
import type { News, TaskHost, TaskRun } from '../../agent/tasks/task.ts';
import type { GuestFate, Incoming } from '../../core/api/agent.ts';
import type { LayerTransfer, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { geometryOf } from '../../core/chunk.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import type { Receipt } from '../../core/receipt.ts';
import { roundCursor } from '../../core/records.ts';
import { keptLog, scripted } from '../agent/support.ts';

const WORLD = { files: systemFiles, processes: systemProcesses, random: systemRandom };

export const MIGRATION = 'm0123456789abcdef0123';
export const VM = 'web-1';
const CHUNK = 64 * 1024;

type Folder = { at(...names: string[]): string; path(): string };

/** What a test has the cloud answer instead of what it would. */
export type Answers = Partial<Record<string, (body: Record<string, unknown>, signal?: AbortSignal) => unknown>>;

/**
 * A source's agent without its polls, in front of a cloud of a few lines and a destination that writes what comes to a raw
 * file. The image folder is the test's.
 */
export class Stage {
  readonly log = keptLog();
  readonly calls: string[] = [];
  readonly bodies: { name: string; body: Record<string, unknown> }[] = [];
  readonly answers: Answers = {};
  /** The destination's disk: what lies below the top layer, and what came. */
  readonly disk: string;
  readonly #folder: Folder;
  readonly #objects = createMemoryObjects();
  readonly #pool = new ChunkPool({ workers: 1, buffers: 3, bufferBytes: 256 * 1024 });
  readonly #rates = new Rates(systemClock);
  readonly #rounds = new Queue<PullRound>();
  #word: Incoming | undefined;
  #told = Promise.withResolvers<void>();
  #transfers: LayerTransfer[] = [];
  #receipt = Promise.withResolvers<Receipt>();
  /** What ends the waits for the destination's receipt. */
  readonly receiptWaits: AbortSignal[] = [];
  #host: TaskHost | undefined;
  #task = 0;
  #cursor = '';
  /** Set: the destination tells no receipt. */
  isSilent = false;
  /** What the migration may send a second. */
  maxRate: number | undefined;
  /** Keys of what was sent past that. */
  readonly unlimited: string[] = [];
  /** What the destination tells of a guest whose VM is committed. */
  fate: GuestFate | undefined = { is: 'runs', waited_ms: 5 };
  #state: 'moving' | 'committed' | 'rolled-back' = 'moving';

  constructor(folder: Folder) {
    this.#folder = folder;
    this.disk = folder.at('arrived.raw');
  }

  get host(): TaskHost {
    return this.#host!;
  }

  /** Starts the agent, or another run of it. */
  async start(): Promise<void> {
    const state = this.#folder.at('.layermover');
    mkdirSync(state, { recursive: true });
    const images = await openState(WORLD, this.#folder.path(), state);
    const journals = new Journals(this.#folder.at('.layermover', 'journal'), {
      files: systemFiles,
      clock: systemClock,
      log: this.log,
    });
    const api = scripted((name, call) => this.#answer(name, (call.body ?? {}) as Record<string, unknown>, call.signal));
    const deps = { ref: 'a/h1', api, clock: systemClock, log: this.log, running: images.running } as const;
    const live = await Sessions.open({
      clock: systemClock,
      log: this.log,
      files: systemFiles,
      folder: this.#folder.at('.layermover', 'live'),
      images: images.images,
      settle: (record, signal) => settleCutover(deps, record, signal),
    });
    const atOnce = <T>(_: AbortSignal, work: (leave: () => void) => Promise<T>) => work(() => undefined);
    const places = { source: atOnce, destination: atOnce, register: atOnce };
    this.#host = {
      ...images,
      ...deps,
      fetches: new Fetches(),
      journals,
      live,
      namespace: 'default',
      pool: this.#pool,
      pace: new Pace(systemClock),
      outbox: new Outbox(),
      unpacked: new Busy(systemClock, () => undefined),
      news: this.#news(),
      places,
    };
  }

  /** The agent's run is no more, and did nothing about it. */
  async die(): Promise<void> {
    const of = {
      migration: MIGRATION,
      run: 1,
      vm: VM,
      chunkBytes: CHUNK,
      disks: [{ disk: undefined, parent: NO_DIGEST }],
    };
    await this.host.live.use(of, new AbortController().signal, async ({ qmp }) => qmp.close());
  }

  /** The destination's word of a VM that can come. */
  tell(word: Incoming): void {
    this.#word = { ...this.#word, ...word };
    this.#told.resolve();
    this.#told = Promise.withResolvers();
  }

  /** Notes the VM, as `layermover vm add` does. */
  async noteVm(qmp: string, top: string): Promise<void> {
    const running = new RunningVms(this.#folder.at('.layermover', 'running'), this.#folder.path());
    await running.put({ name: VM, qmp, disks: [{ node: 'disk0', top }] });
  }

  async survey(): Promise<TaskResult> {
    const found = await this.task({ kind: 'survey', ...this.#about, policy: 'auto', live: true, vms: [{ name: VM }] });
    if (found.kind !== 'survey') throw new Error('no survey');
    this.#transfers = found.vms[0]!.layers.map((layer, depth, all) => ({
      stream: layer.layer_id ?? `ud:${VM}`,
      vm: VM,
      depth,
      treatment: depth === all.length - 1 ? 'direct' : 'skip',
      stored: false,
      layer,
      parent: layer.parent,
    }));
    return found;
  }

  round(round: number, more: { throttle_bytes_per_second?: number } = {}, signal?: AbortSignal): Promise<TaskResult> {
    return this.task({ kind: 'round', ...this.#ofVm, round, ...more }, signal);
  }

  cutover(cutover: 'ram' | 'stop', signal?: AbortSignal, attempt = 1): Promise<TaskResult> {
    return this.task({ kind: 'cutover', ...this.#ofVm, live: { cutover, max_downtime_ms: 300 } }, signal, attempt);
  }

  async task(input: TaskInput, signal = new AbortController().signal, attempt = 1): Promise<TaskResult> {
    const task = `${MIGRATION}.${input.kind}.${this.#task++}`;
    const store = { get: this.#objects.get, tail: this.#objects.tail, put: this.#put.bind(this) };
    const run: TaskRun = { task, attempt, signal, cut: signal, store, progress: () => undefined };
    const round = input.kind === 'round' ? input.round : 'last';
    this.#cursor = roundCursor({ run: 1, round, attempt }, 0).slice(0, -8);
    return this.#rates.within(input, run, (held) => perform(this.host, this.#noting(held), input));
  }

  #noting(run: TaskRun): TaskRun {
    if (run.limit === undefined) return run;
    const { rate, unlimited } = run.limit;
    const put: typeof unlimited.put = (key, parts) => {
      this.unlimited.push(key);
      return unlimited.put(key, parts);
    };
    return { ...run, limit: { rate, unlimited: { ...unlimited, put } } };
  }

  /** Follows as a destination does, until the last round or the end of the test. Gives the layer's id. */
  async follow(): Promise<void> {
    const top = this.#transfers.at(-1)!;
    execFileSync('qemu-img', ['convert', '-O', 'raw', this.#folder.at('env.qcow2'), this.disk]);
    const geometry = geometryOf(top.layer.virtual_bytes, CHUNK);
    const run = { store: this.#objects } as unknown as TaskRun;
    const { layerId } = await pullLayer({
      name: top.layer.name,
      geometry,
      parent: fromHex(top.parent!),
      rounds: this.#applied(),
      source: createSource(this.host, run, MIGRATION, top),
      writer: rawWriter(this.disk),
      signal: new AbortController().signal,
      totalBytes: 0,
    });
    if (!this.isSilent) this.#prove(layerId);
  }

  /** The destination proved what an attempt brought that nobody knows of any more, and follows no more. */
  proveEarlier(): void {
    this.#prove('1'.repeat(64));
  }

  #prove(topId: string): void {
    const layers = this.#transfers.map(({ layer }) => ({
      name: layer.name,
      layerId: layer.layer_id ?? topId,
      virtualBytes: layer.virtual_bytes,
      evidence: 'read' as const,
    }));
    this.#receipt.resolve({ vm: VM, migration: MIGRATION, side: 'destination', chunkBytes: CHUNK, layers, atMs: 0 });
  }

  async close(): Promise<void> {
    await this.#host?.live.stop();
    await this.#pool.close();
  }

  /** What a test does with each object before it is stored. */
  onPut: (key: string) => Promise<void> | void = () => undefined;

  async #put(key: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'> {
    await this.onPut(key);
    return this.#objects.put(key, parts);
  }

  get #about() {
    return { migration: MIGRATION, run: 1, chunk_bytes: CHUNK };
  }

  get #ofVm() {
    const limited = this.maxRate === undefined ? {} : { max_rate_bytes_per_second: this.maxRate };
    return { ...this.#about, ...limited, epoch: 0, chain: { vm: VM, layers: this.#transfers } };
  }

  /** Each round is told of as applied when the next one is asked for. */
  async *#applied(): AsyncGenerator<PullRound> {
    for (;;) {
      const round = (await this.#rounds.next()) as PullRound & { cursor: string };
      yield round;
      this.tell({ ...this.#word, applied: { [`ud:${VM}`]: round.cursor } });
      if (round.layerId !== undefined) return;
    }
  }

  /** What the cloud does with a round. */
  committed(body: Record<string, unknown>): object {
    const { sequence, segments, layer_id: layerId } = body as { sequence: number; segments: []; layer_id?: string };
    const cursor = this.#cursor + String(sequence).padStart(8, '0');
    this.#rounds.put({ segments, cursor, ...(layerId === undefined ? {} : { layerId }) } as PullRound);
    return {};
  }

  #answer(name: string, body: Record<string, unknown>, signal?: AbortSignal): unknown {
    this.calls.push(name);
    this.bodies.push({ name, body });
    if (name === 'commitMigration') this.#state = 'committed';
    const answer = this.answers[name];
    if (answer !== undefined) return answer(body, signal);
    if (name === 'commitRound') return this.committed(body);
    if (name === 'getMigration') return this.#view();
    if (name === 'reclaim') this.#state = 'rolled-back';
    if (name === 'reclaim' || name === 'commitMigration')
      return { owner: name === 'reclaim' ? 'a/h1' : 'b/h1', epoch: 1 };
    return {};
  }

  #view() {
    const live = this.#state === 'committed' && this.fate !== undefined ? { live: { guest: this.fate } } : {};
    return { state: 'moving', vms: [{ name: VM, state: this.#state, ...live }] };
  }

  #news(): News {
    const stage = this;
    return {
      urgently: (work) => work(),
      async *rounds() {},
      receipt: (_, __, signal) => {
        stage.receiptWaits.push(signal);
        return abortable(stage.#receipt.promise, signal);
      },
      // As polls do: whoever asks anew hears the latest word, and then what is new.
      async *incoming(_, __, signal) {
        for (let heard: Incoming | undefined; ; ) {
          while (stage.#word === heard) await abortable(stage.#told.promise, signal);
          heard = stage.#word;
          yield heard!;
        }
      },
      settled: () => new Promise(() => undefined),
    };
  }
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

class Queue<T> {
  readonly #items: T[] = [];
  #wake = Promise.withResolvers<void>();

  put(item: T): void {
    this.#items.push(item);
    this.#wake.resolve();
  }

  async next(): Promise<T> {
    while (this.#items.length === 0) {
      this.#wake = Promise.withResolvers();
      await this.#wake.promise;
    }
    return this.#items.shift()!;
  }
}

function rawWriter(path: string): DiskWriter {
  const fd = openSync(path, 'r+');
  return {
    async write(offset, bytes) {
      writeSync(fd, bytes, 0, bytes.length, offset);
    },
    async writeZeros(offset, length) {
      writeSync(fd, Buffer.alloc(length), 0, length, offset);
    },
    async checkpoint() {},
    async finish() {
      closeSync(fd);
    },
    async discard() {},
  };
}
