import { mkdirSync } from 'node:fs';
import { afterAll, beforeEach } from 'vitest';
import { createMemoryObjects } from '../../adapters/memory/objects.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { createPlaces } from '../../agent/daemon/places.ts';
import { openState } from '../../agent/daemon/state.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { abortable } from '../../agent/flow/abortable.ts';
import { Journals } from '../../agent/journal/journals.ts';
import { Launcher, type LauncherOptions } from '../../agent/launch/launcher.ts';
import { followLive } from '../../agent/live/destination/follow-live.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import type { PushSink } from '../../agent/push/port.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import type { FollowInput } from '../../agent/tasks/arrived-vm.ts';
import { Fetches } from '../../agent/tasks/fetches.ts';
import { knowLayer } from '../../agent/tasks/know.ts';
import type { TaskHost } from '../../agent/tasks/task.ts';
import type { GuestFate } from '../../core/api/agent.ts';
import type { Cutover, LayerTransfer } from '../../core/api/tasks.ts';
import type { Files } from '../../core/files.ts';
import { fromHex } from '../../core/fingerprint.ts';
import { migrationScope, objectKey } from '../../core/format/keys.ts';
import type { VmEnd } from '../../core/migration.ts';
import { type Round, roundCursor } from '../../core/records.ts';
import type { Treatment } from '../../core/treatments.ts';
import { coded, eachFolder, keptLog, type LayerSpec, scripted, writeChain, writeLayer } from '../agent/support.ts';
import { KiB, MiB } from '../disk/support.ts';

export const MIGRATION = `m${'0'.repeat(20)}`;
export const VM = 'web-1';
export const DISK = 24 * MiB;
const STREAM = `ud:${VM}`;
const SCOPE = migrationScope('default', MIGRATION);
const BASES: readonly LayerSpec[] = [
  { name: 'os.qcow2', patches: [{ at: 0, length: 2 * MiB, seed: 1 }] },
  { name: 'we.qcow2', patches: [{ at: 2 * MiB, length: MiB, seed: 2 }] },
];

/** Things that come one after the other, and whose reader waits. */
class Coming<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #arrived = Promise.withResolvers<void>();

  push(item: T): void {
    this.#items.push(item);
    this.#arrived.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#items.length === 0) {
        await this.#arrived.promise;
        this.#arrived = Promise.withResolvers();
      }
      yield this.#items.shift()!;
    }
  }
}

/** For each test a destination with the base layers of a VM, and a source that a test plays: it pushes into the same store. */
export function eachDestination({ chunkBytes = 64 * KiB }: { chunkBytes?: number } = {}) {
  const folder = eachFolder();
  const pool = new ChunkPool({ workers: 1 });
  afterAll(() => pool.close());
  const log = keptLog();
  const objects = createMemoryObjects();
  let calls: { name: string; body?: unknown }[] = [];
  let rounds = new Coming<Round>();
  let settled = Promise.withResolvers<VmEnd>();
  let end: VmEnd | 'moving' = 'moving';
  let fate: GuestFate | undefined;
  let isPaused = false;
  let kind: Cutover = 'stop';
  const refused = new Set<string>();
  /** Id of the layer below the VM's own; known once a host has looked. */
  let under = '';

  const api = scripted((name, { body }) => {
    calls.push({ name, body });
    if (refused.has(name)) throw coded('VM_OWNED_ELSEWHERE');
    if (name === 'getMigration') return view();
    return { ok: true, ...(isPaused ? { paused: true } : {}) };
  });

  const view = () => ({
    state: end === 'moving' ? 'moving' : 'failed',
    live: { cutover: kind },
    vms: [{ name: VM, state: end, ...(fate === undefined ? {} : { live: { guest: fate } }) }],
  });

  beforeEach(async () => {
    calls = [];
    fate = undefined;
    isPaused = false;
    rounds = new Coming();
    settled = Promise.withResolvers();
    end = 'moving';
    refused.clear();
    for (const site of ['a', 'b']) {
      mkdirSync(folder.at(site));
      await writeChain(folder.at(site), BASES, DISK);
    }
  });

  /** The host's state as another run of its agent finds it. */
  async function host(options: { files?: Files; launcher?: LauncherOptions } = {}): Promise<TaskHost> {
    const files = options.files ?? systemFiles;
    const world = { files, processes: systemProcesses, random: systemRandom };
    const state = await openState(world, folder.at('b'), folder.at('s'));
    const launcher =
      options.launcher === undefined ? {} : { launcher: new Launcher(options.launcher, state.launches, systemClock) };
    const own = {
      ...{ ...state, ...launcher, ref: 'b/h1', namespace: 'default', api, clock: systemClock, log, pool },
      fetches: new Fetches(),
      journals: new Journals(folder.at('s', 'journal'), { files, clock: systemClock, log }),
      news: {
        rounds: () => rounds,
        settled: (_: string, __: string, signal: AbortSignal) => abortable(settled.promise, signal),
        urgently: async (work: () => Promise<unknown>) => work(),
      },
      places: { source: createPlaces(1), destination: createPlaces(1) },
    } as unknown as TaskHost;
    await know(own);
    return own;
  }

  async function know(own: TaskHost) {
    const chain = await openChain(folder.at('b', 'we.qcow2'), { imageFolder: folder.at('b') });
    const [os, we] = chain.layers as [(typeof chain.layers)[number], (typeof chain.layers)[number]];
    const about = { chunkBytes, role: 'base', migration: MIGRATION } as const;
    const below = await knowLayer(own, { ...about, layer: os, below: undefined, kind: 'os' }, never);
    const top = await knowLayer(own, { ...about, layer: we, below, kind: 'we' }, never);
    await chain.close();
    under = top.layerId;
    return { os: below, we: top };
  }

  async function input(own: TaskHost, cutover: Cutover, bases: Treatment): Promise<FollowInput> {
    const { os, we } = await know(own);
    const transfer = (
      kind: 'os' | 'we' | 'ud',
      depth: number,
      parent: string | null,
      layerId?: string,
    ): LayerTransfer => ({
      ...{
        stream: layerId ?? STREAM,
        vm: VM,
        depth,
        treatment: kind === 'ud' ? 'direct' : bases,
        stored: false,
        parent,
      },
      layer: {
        ...{ kind, name: kind === 'ud' ? 'web-1.qcow2' : `${kind}.qcow2`, parent, virtual_bytes: DISK, data_bytes: 0 },
        ...(layerId === undefined ? {} : { layer_id: layerId }),
        container: { format: 'qcow2', cluster_bytes: 64 * KiB, version: 3 },
      },
    });
    const layers = [
      transfer('os', 0, null, os.layerId),
      transfer('we', 1, os.layerId, we.layerId),
      transfer('ud', 2, we.layerId),
    ];
    const about = { migration: MIGRATION, run: 1, chunk_bytes: chunkBytes, epoch: 1, chain: { vm: VM, layers } };
    return { kind: 'follow', ...about, live: { cutover, max_downtime_ms: 300 } };
  }

  let pushes = 0;
  /** What the source's top layer holds now is pushed; with `last` as its last round. Gives its layer id. */
  async function push(patches: LayerSpec['patches'], last?: 'last'): Promise<string> {
    const which = ++pushes;
    const name = `version-${which}.qcow2`;
    const below = folder.at('a', 'we.qcow2');
    const path = await writeLayer(folder.at('a'), { name, patches }, below, {
      virtualBytes: DISK,
      over: 'web-1.qcow2',
    });
    const chain = await openChain(path, { imageFolder: folder.at('a') });
    const of = { run: 1, round: last ?? which, attempt: 1 } as const;
    const sink: PushSink = {
      check: () => Promise.reject(coded('UNASKED')),
      announce: () => Promise.reject(coded('UNASKED')),
      put: (kind, id, parts) => objects.put(objectKey(SCOPE, kind, id), parts),
      async commit({ sequence, segments, layerId }) {
        const cursor = roundCursor(of, sequence);
        const named = last === undefined || layerId === undefined ? {} : { layerId };
        if (segments.length > 0 || 'layerId' in named) rounds.push({ stream: STREAM, cursor, segments, ...named });
      },
    };
    const parent = fromHex(under);
    const manifests = new ManifestStore(folder.at('manifests'));
    const about = { name, layer: chain.layers.at(-1)!, chunkBytes, totalBytes: 0, pool, manifests, clock: systemClock };
    const pushed = await pushLayer({ ...about, treatment: 'direct', parent, sink, signal: never });
    await chain.close();
    return pushed.layerId;
  }

  return {
    at: folder.at,
    log,
    pool,
    host,
    push,
    refused,
    calls: () => calls,
    bodies: (name: string) => calls.filter((call) => call.name === name).map(({ body }) => body),
    settle(how: VmEnd) {
      end = how;
      settled.resolve(how);
    },
    end(how: VmEnd) {
      end = how;
    },
    /** What the cloud knows of the guest. */
    tell(known: GuestFate) {
      fate = known;
    },
    /** The guest was paused at its source. */
    wasPaused() {
      isPaused = true;
    },
    async follow(
      own: TaskHost,
      { cutover = 'stop' as Cutover, attempt = 1, signal = never, bases = 'skip' as Treatment } = {},
    ) {
      kind = cutover;
      const store = { ...objects };
      const run = { task: `${MIGRATION}.follow.${VM}`, attempt, signal, cut: signal, store, progress: () => undefined };
      return followLive(own, run, await input(own, cutover, bases));
    },
  };
}

export const never = new AbortController().signal;
