import { resolve } from 'node:path';
import type { StreamCounts, SurveyedLayer, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { type BaseKind, baseKindsOf } from '../../core/kinds.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import { assertNotWritten } from '../disk/held.ts';
import type { Chain } from '../disk/layer.ts';
import { dataBytesOf, topOf, withChain } from './chains.ts';
import { knowLayer } from './know.ts';
import { createMeter } from './meter.ts';
import type { TaskHost, TaskRun } from './task.ts';

type RegisterInput = Extract<TaskInput, { kind: 'register' }>;
type Found = SurveyedLayer & { layer_id: string };

/**
 * Fingerprints files, and what they are based on, as base layers: from now on the host knows them without a read. Nothing is
 * sent. What is known already is not read again. Errors: LAYER_IS_VM, LAYER_IS_USER_DATA, BACKING_WRITTEN, those of openChain
 * and scanLayer.
 */
export async function register(host: TaskHost, run: TaskRun, input: RegisterInput): Promise<TaskResult> {
  const layers = new Map<string, Found>();
  const streams: StreamCounts[] = [];
  for (const [at, file] of input.files.entries()) {
    const path = resolve(host.images.path, file);
    const counts = await withChain(host.images, { path }, async (chain) => {
      await assertNotWritten(chain.layers, host.images.files);
      await assertNoVm(host, topOf(chain).path);
      const reading = new Reading(host, run, input, chain, at);
      return host.places.register(run.signal, () => reading.know(layers));
    });
    streams.push(counts);
  }
  return { kind: 'register', streams, layers: [...layers.values()] };
}

/** One file of a registration: its chain is known or read, bottom first. */
class Reading {
  readonly #host: TaskHost;
  readonly #run: TaskRun;
  readonly #input: RegisterInput;
  readonly #chain: Chain;
  readonly #stream: string;

  constructor(host: TaskHost, run: TaskRun, input: RegisterInput, chain: Chain, at: number) {
    this.#host = host;
    this.#run = run;
    this.#input = input;
    this.#chain = chain;
    this.#stream = `file:${at}`;
  }

  /** Adds what is not there yet to `found`; gives the raw bytes that were handled. */
  async know(found: Map<string, Found>): Promise<StreamCounts> {
    const { clock } = this.#host;
    const meter = createMeter(clock, this.#run, this.#stream);
    const { layers } = this.#chain;
    const kinds = baseKindsOf(layers.length, this.#input.layer_kind);
    const sizes = [];
    for (const layer of layers) sizes.push(await dataBytesOf(layer));
    const totalBytes = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const nothing = { totalBytes, wireBytes: 0, storedBytes: 0, dedupedBytes: 0, unaskedBytes: 0 };
    let before = 0;
    let below: KnownLayer | undefined;
    for (const depth of layers.keys()) {
      const tell = (readBytes: number) => meter({ ...nothing, doneBytes: Math.min(totalBytes, before + readBytes) });
      below = await this.#know(depth, below, kinds[depth]!, tell);
      before += sizes[depth]!;
      if (!found.has(below.layerId)) found.set(below.layerId, viewOf(below));
    }
    return meter({ ...nothing, doneBytes: totalBytes });
  }

  async #know(depth: number, below: KnownLayer | undefined, kind: BaseKind, progress: (bytes: number) => void) {
    const layer = this.#chain.layers[depth]!;
    const { chunk_bytes: chunkBytes, migration } = this.#input;
    const known = await this.#host.catalog.lookup(layer.path, chunkBytes);
    if (known?.kind === 'ud') throw userData(layer.path);
    // A layer keeps the kind that it was given first, below others as well as by itself.
    const isTop = depth === this.#chain.layers.length - 1;
    const kept = !isTop && known?.role === 'base' ? known.kind : kind;
    const wanted = { layer, below, chunkBytes, role: 'base', kind: kept, migration, progress } as const;
    return knowLayer(this.#host, wanted, this.#run.signal);
  }
}

async function assertNoVm({ images }: TaskHost, path: string): Promise<void> {
  const vm = await images.ownerOf(path);
  if (vm === undefined) return;
  throw new LayerMoverError('LAYER_IS_VM', `${path} is the disk of the VM ${vm.name}: it is no base layer`, {
    hint: 'copy it, seal what a base must not hold (keys, logs, host names), and register the copy',
    data: { path, vm: vm.name },
  });
}

function userData(path: string): LayerMoverError {
  return new LayerMoverError('LAYER_IS_USER_DATA', `${path} is known as a VM’s user data: it is no base layer`, {
    hint: 'register the layer below it',
    data: { path },
  });
}

function viewOf({ layerId, kind, name, parent, virtualBytes, dataBytes, container }: KnownLayer): Found {
  return { layer_id: layerId, kind, name, parent, virtual_bytes: virtualBytes, data_bytes: dataBytes, container };
}
