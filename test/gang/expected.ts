import { type DataChunk, exactly, type Frame, type Pack, type Place, packsOf, type Range, sum } from './pack.ts';
import { CHUNK_BYTES, type Layer } from './read-layer.ts';

/**
 * What a gang's migration must send, computed from the images alone. It shares no code with the product: it rests on what docs/FORMAT.md
 * says of sizes, and on the rules that the planner's decision (docs/adr/0024-planner.md) and the docs state: a base layer that several hosts hold goes from the one with the
 * least to do, the longest first; layers go after their parents, those that more VMs wait for first, large ones before small
 * ones; base layers are deduplicated, user data is not looked up.
 */
const SEGMENT_CHUNKS = 4096;
const SAMPLING = 8;
const DIGEST_BYTES = 32;
/** What a chunk adds to a pack at the most: itself, and a footer's line. */
const SENT_CHUNK_BYTES = CHUNK_BYTES + 64;

export interface Vm {
  readonly name: string;
  /** From the lowest. */
  readonly layers: readonly string[];
  readonly host: string;
}

export interface Row {
  readonly treatment: 'skip' | 'dedup' | 'direct';
  /** Raw bytes of the layer's data that are moved, and of these, those that were not sent: the store, or the same pack, had them. */
  readonly handledBytes: number;
  readonly dedupedBytes: Range;
  /** Chunks that were sent though the store had them, as no hook led to their pack; unless that was still on its way, and so known without. */
  readonly missedChunks: number;
  readonly storedBytes: Range;
  readonly wireBytes: Range;
  /** Raw bytes that the destination took from other layers of its own, and bytes that it fetched. */
  readonly localBytes: Range;
  readonly pulledBytes: Range;
}

/** Each layer's row by its name. `has` are the base layers that the destination holds. The store holds nothing. */
export function expectedTable(
  gang: readonly Vm[],
  layers: ReadonlyMap<string, Layer>,
  has: readonly string[],
): Map<string, Row> {
  const of = (name: string) => layers.get(name)!;
  const bases = inOrder(gang, of);
  const missing = bases.filter((name) => !has.includes(name));
  const sent = sendAll(missing, gang, of);
  const held = new Set(has.flatMap((name) => dataOf(of(name)).map(({ id }) => id)));
  const rows = new Map<string, Row>();
  for (const name of bases) {
    const sending = sent.get(name);
    rows.set(name, sending === undefined ? SKIPPED : { ...rowOf(sending, 'dedup'), ...arrival(sending, held) });
    for (const { id } of dataOf(of(name))) held.add(id);
  }
  for (const { layers: chain } of gang) {
    const top = of(chain.at(-1)!);
    const sending = send(top, []);
    rows.set(top.name, { ...rowOf(sending, 'direct'), ...arrival(sending, new Set()) });
  }
  return rows;
}

const NONE = exactly(0);
const SKIPPED: Row = {
  treatment: 'skip',
  handledBytes: 0,
  dedupedBytes: NONE,
  missedChunks: 0,
  storedBytes: NONE,
  wireBytes: NONE,
  localBytes: NONE,
  pulledBytes: NONE,
};

function dataOf({ chunks }: Layer): DataChunk[] {
  return chunks.filter((chunk): chunk is DataChunk => chunk.id !== undefined);
}

const bytesOf = (chunks: readonly DataChunk[]) => chunks.reduce((all, { length }) => all + length, 0);

/** All base layers of the gang in the order in which they go. */
function inOrder(gang: readonly Vm[], of: (name: string) => Layer): string[] {
  const waiting = new Map<string, number>();
  for (const { layers } of gang)
    for (const name of layers.slice(0, -1)) waiting.set(name, (waiting.get(name) ?? 0) + 1);
  const depth = (name: string) => gang.find(({ layers }) => layers.includes(name))!.layers.indexOf(name);
  return [...waiting.keys()].sort(
    (one, other) =>
      depth(one) - depth(other) ||
      waiting.get(other)! - waiting.get(one)! ||
      bytesOf(dataOf(of(other))) - bytesOf(dataOf(of(one))),
  );
}

/** Each layer as its host sends it. Throws if what is sent would depend on which of two hosts is the faster one. */
function sendAll(names: readonly string[], gang: readonly Vm[], of: (name: string) => Layer): Map<string, Sending> {
  const known = new Set<string>();
  const work = names.map((name) => {
    const fresh = dataOf(of(name)).filter(({ id }) => !known.has(id));
    for (const { id } of fresh) known.add(id);
    return { name, bytes: bytesOf(fresh) };
  });
  const load = new Map<string, number>();
  const hosts = new Map<string, string>();
  for (const { name, bytes } of work.toSorted((one, other) => other.bytes - one.bytes)) {
    const holders = gang.filter(({ layers }) => layers.includes(name)).map(({ host }) => host);
    const host = holders.reduce((least, each) => ((load.get(each) ?? 0) < (load.get(least) ?? 0) ? each : least));
    load.set(host, (load.get(host) ?? 0) + bytes);
    hosts.set(name, host);
  }
  const stores = new Map<string, Pack[]>();
  const owner = new Map<string, string>();
  const sent = new Map<string, Sending>();
  for (const name of names) {
    const host = hosts.get(name)!;
    for (const { id } of dataOf(of(name))) {
      if ((owner.get(id) ?? host) !== host) throw new Error(`two hosts would race for what ${name} holds`);
      owner.set(id, host);
    }
    const store = stores.get(host) ?? [];
    const sending = send(of(name), store);
    stores.set(host, [...store, ...sending.packs]);
    sent.set(name, sending);
  }
  return sent;
}

interface Sending {
  readonly layer: Layer;
  readonly data: readonly DataChunk[];
  readonly foundBytes: number;
  readonly missedChunks: number;
  readonly packs: readonly Pack[];
  /** Of each data chunk, by its number. */
  readonly places: ReadonlyMap<number, Place>;
  /** Of segments and placements: as they are in the end, and those that come before if packs do not arrive together. */
  readonly manifestBytes: Range;
}

/** What is sent of a layer if the store has these packs: those that one of its hooks is in are found, with all that they hold. */
function send(layer: Layer, store: readonly Pack[]): Sending {
  const data = dataOf(layer);
  if (data.length > SEGMENT_CHUNKS) throw new Error(`${layer.name} is asked for in more than one batch`);
  const hooks = data.map(({ id }) => id).filter((id) => Number.parseInt(id.slice(0, 2), 16) % SAMPLING === 0);
  const found = store.filter(({ places }) => hooks.some((hook) => places.has(hook)));
  const places = new Map<number, Place>();
  const missing: DataChunk[] = [];
  for (const chunk of data) {
    const pack = found.find((each) => each.places.has(chunk.id));
    if (pack === undefined) missing.push(chunk);
    else places.set(chunk.at, pack.places.get(chunk.id)!);
  }
  const packs = packsOf(missing);
  const versions: number[] = [];
  for (const pack of packs) {
    for (const chunk of pack.chunks) places.set(chunk.at, pack.places.get(chunk.id)!);
    const touched = new Set(pack.chunks.map(({ at }) => Math.floor(at / SEGMENT_CHUNKS)));
    if (pack !== packs.at(-1)) versions.push(...[...touched].map((index) => versionBytes(layer, index, places)));
  }
  const indexes = new Set(layer.chunks.map(({ at }) => Math.floor(at / SEGMENT_CHUNKS)));
  const last = [...indexes].reduce((all, index) => all + versionBytes(layer, index, places), 0);
  // What lies in packs that are still on their way is named when they are there, in a version of its own.
  if (packs.length > 0 && missing.length < data.length) versions.push(last);
  return {
    layer,
    data,
    foundBytes: bytesOf(data) - bytesOf(missing),
    missedChunks: missing.filter(({ id }) => store.some((pack) => pack.places.has(id))).length,
    packs,
    places,
    manifestBytes: [last, last + versions.reduce((all, bytes) => all + bytes, 0)],
  };
}

/** Bytes of one segment, and of its placement, if these of its chunks have their places. */
function versionBytes({ virtualBytes }: Layer, index: number, places: ReadonlyMap<number, Place>): number {
  const first = index * SEGMENT_CHUNKS;
  const length = Math.min(SEGMENT_CHUNKS, Math.ceil(virtualBytes / CHUNK_BYTES) - first);
  const placed = [...places].filter(([at]) => at >= first && at < first + length).sort(([one], [other]) => one - other);
  const segment = 8 + Math.ceil(length / 4) + DIGEST_BYTES * placed.length;
  if (placed.length === 0) return segment;
  const frames = new Set(placed.map(([, { frame }]) => frame));
  const runs = placed.filter(([at, { frame, offset }], nth) => {
    const before = placed[nth - 1];
    return (
      before === undefined ||
      before[0] !== at - 1 ||
      before[1].frame !== frame ||
      before[1].offset !== offset - CHUNK_BYTES
    );
  });
  return segment + 16 + 49 * frames.size + 12 * runs.length + 16;
}

const rootBytes = ({ virtualBytes }: Layer) =>
  56 + DIGEST_BYTES * Math.ceil(Math.ceil(virtualBytes / CHUNK_BYTES) / SEGMENT_CHUNKS);

function rowOf(
  { layer, data, foundBytes, missedChunks, packs, manifestBytes }: Sending,
  treatment: 'dedup' | 'direct',
) {
  const [least, most] = sum(packs.map(({ bytes }) => bytes));
  const storedBytes: Range = [Math.max(0, least - missedChunks * SENT_CHUNK_BYTES), most];
  const dedupedBytes = foundBytes + packs.reduce((all, { repeatedBytes }) => all + repeatedBytes, 0);
  const asked = treatment === 'dedup' ? DIGEST_BYTES * data.length : 0;
  return {
    treatment,
    handledBytes: bytesOf(data),
    dedupedBytes: upTo(dedupedBytes, missedChunks),
    missedChunks,
    storedBytes,
    wireBytes: sum([exactly(asked + rootBytes(layer)), storedBytes, manifestBytes]),
  };
}

/** So many bytes, and those of some of these chunks. */
function upTo(bytes: number, chunks: number): Range {
  return [bytes, bytes + chunks * CHUNK_BYTES];
}

/** A frame is fetched unless layers that the destination holds by then have all that is wanted of it. */
function arrival({ layer, data, places, manifestBytes, missedChunks }: Sending, held: ReadonlySet<string>) {
  const frames = new Map<Frame, DataChunk[]>();
  for (const chunk of data) {
    const { frame } = places.get(chunk.at)!;
    frames.set(frame, [...(frames.get(frame) ?? []), chunk]);
  }
  const isLocal = (chunks: readonly DataChunk[]) => chunks.every(({ id }) => held.has(id));
  const local = [...frames.values()].filter(isLocal);
  const fetched = sum([...frames].filter(([, chunks]) => !isLocal(chunks)).map(([{ bytes }]) => bytes));
  const manifest: Range = [-missedChunks * SENT_CHUNK_BYTES, manifestBytes[1] + rootBytes(layer)];
  return { localBytes: upTo(bytesOf(local.flat()), missedChunks), pulledBytes: sum([fetched, manifest]) };
}
