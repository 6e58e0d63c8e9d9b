/** What the pure core, the functions and the agent need of the world. Adapters implement these; test/conformance holds them to it. */
import type { StateChanged } from './api/events.ts';
import type { HostRef } from './api/names.ts';
import type { ErrorJson } from './errors.ts';
import type { ObjectKind } from './format/keys.ts';
import type { CollectionRun } from './garbage.ts';
import type { KnownRates } from './planner/rates.ts';
import type { LayerRecord, MigrationRecord, Round, StreamRecord, VmRecord } from './records.ts';
import type { Task, TaskOutcome } from './task.ts';

export interface Clock {
  nowMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  bytes(count: number): Uint8Array;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** All of an object, of which the reader takes so many bytes at the most. */
export interface WholeObject {
  readonly bytesMax: number;
}

/**
 * Objects by key. Absent keys are OBJECT_MISSING, a range past the end is OBJECT_RANGE, an object that is larger than
 * it may be OBJECT_TOO_LARGE: then none of its bytes were taken into memory.
 */
export interface ObjectReader {
  get(key: string, part: ByteRange | WholeObject): Promise<Uint8Array>;
  /** The last `bytes` of an object (all of it if it is shorter) and its whole size. */
  tail(key: string, bytes: number): Promise<{ readonly bytes: Uint8Array; readonly size: number }>;
}

/** Objects are created, never changed: `put` of a key that exists leaves it as it is and says so. Durable on return. */
export interface ObjectStore extends ObjectReader {
  put(key: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'>;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
}

export interface ObjectJanitor extends ObjectStore {
  /** As `list`, with the objects' sizes. */
  sizes(prefix: string, limit: number, after?: string): Promise<StoredObject[]>;
  /** Keys with this prefix, ascending, after `after`, `limit` at the most. */
  list(prefix: string, limit: number, after?: string): Promise<string[]>;
  /** Absent keys are no error. */
  remove(keys: readonly string[]): Promise<void>;
}

export interface Claim {
  readonly owner: string;
  readonly untilMs: number;
}

/** Fingerprint → pack rows, hooks only, and claims of batches. Ids and fingerprints are hex. */
export interface FingerprintIndex {
  /** The rows that exist among these hooks. */
  lookup(namespace: string, hooks: readonly string[]): Promise<Map<string, string>>;
  /** Rows that exist already stay as they are; answers how many were written. */
  add(namespace: string, hooks: readonly string[], pack: string): Promise<number>;
  /** Claims a batch for `owner` unless another owner's claim is alive at `nowMs`; gives the claim that stands. */
  claim(namespace: string, batch: string, wanted: Claim, nowMs: number): Promise<Claim>;
  /** Ends a claim if `owner` holds it. */
  release(namespace: string, batch: string, owner: string): Promise<void>;
  /** All rows in one of `parts` about equal parts of the index: hook → pack. */
  rows(namespace: string, part: number, parts: number): Promise<Map<string, string>>;
  /** Removes those of the hooks' rows that name this pack; answers how many those were. */
  remove(namespace: string, hooks: readonly string[], pack: string): Promise<number>;
  /** Notes that a pack is damaged and on its way out: nobody is promised it any more. */
  condemn(namespace: string, pack: string): Promise<void>;
  /** Those of the packs that are condemned. */
  condemned(namespace: string, packs: readonly string[]): Promise<Set<string>>;
  /** The pack's object is gone: the same pack may be stored anew. */
  acquit(namespace: string, pack: string): Promise<void>;
}

/** Kinds by which objects are marked: a placement shares the mark of its segment, whose id it has. */
export type MarkedKind = Exclude<ObjectKind, 'placements'>;

/** Since when nothing needs an object, and when its removal began, if it has. */
export interface IdleMark {
  readonly sinceMs: number;
  readonly removedMs?: number | undefined;
}

/**
 * Objects of a namespace that nothing needs. A mark stays until something needs the object again, or, from the beginning of
 * its removal on, for `removal_kept_seconds`. Ids are hex.
 */
export interface IdleMarks {
  /** The marks that there are among these. What was written before is seen. */
  find(namespace: string, kind: MarkedKind, ids: readonly string[]): Promise<Map<string, IdleMark>>;
  /** Marks an object unless it is marked. */
  mark(namespace: string, kind: MarkedKind, id: string, sinceMs: number): Promise<void>;
  /** Ends a mark if it is as it was seen, or is gone; answers whether. */
  clear(namespace: string, kind: MarkedKind, id: string, seen: IdleMark): Promise<boolean>;
  /** Notes that the removal begins, if the mark is as it was seen; answers whether. Done already at the same time: true. */
  remove(namespace: string, kind: MarkedKind, id: string, seen: IdleMark, atMs: number): Promise<boolean>;
}

/** The last garbage collection of each namespace. */
export interface CollectionRuns {
  find(namespace: string): Promise<CollectionRun | undefined>;
  /** Replaces what was seen, undefined for none; answers whether that was still there. The same again answers true. */
  replace(seen: Pick<CollectionRun, 'id' | 'page'> | undefined, run: CollectionRun): Promise<boolean>;
}

/** Layers whose manifest, placements and packs are in the namespace, and which hosts hold which layers. */
export interface LayerCatalog {
  record(namespace: string, layer: LayerRecord): Promise<void>;
  /** Notes what a layer is that hosts hold, whether the store has it or not. The last word counts. */
  register(namespace: string, layer: LayerRecord): Promise<void>;
  /** Layers that were registered, by id, after `after`. */
  registered(namespace: string, limit: number, after?: string): Promise<LayerRecord[]>;
  findRegistered(namespace: string, layerId: string): Promise<LayerRecord | undefined>;
  /** An absent one is no error. */
  unregister(namespace: string, layerId: string): Promise<void>;
  /** The store has not all of the layer any more. Who holds it stays known. An absent record is no error. */
  erase(namespace: string, layerId: string): Promise<void>;
  /** Notes that a migration uses the layer; answers whether the store has all of it. */
  use(namespace: string, layerId: string, atMs: number): Promise<boolean>;
  /** Erases a record that is as it was seen; answers whether it was. */
  retire(namespace: string, seen: LayerRecord): Promise<boolean>;
  /** Notes, before it is done, that something which layers may consist of is removed from the store. */
  noteRemoval(namespace: string, atMs: number): Promise<void>;
  /** When something was removed last; -Infinity if never. */
  removedMs(namespace: string): Promise<number>;
  find(namespace: string, layerId: string): Promise<LayerRecord | undefined>;
  list(namespace: string, limit: number, after?: string): Promise<LayerRecord[]>;
  announce(namespace: string, host: HostRef, layerIds: readonly string[]): Promise<void>;
  withdraw(namespace: string, host: HostRef, layerId: string): Promise<void>;
  /** Those of the layers that the host holds. */
  present(namespace: string, host: HostRef, layerIds: readonly string[]): Promise<Set<string>>;
  /** Every host that announced the layer. */
  holders(namespace: string, layerId: string): Promise<HostRef[]>;
}

export interface HostRecord {
  readonly ref: HostRef;
  /** Who may speak for this host: the ARN that enrolled it. */
  readonly caller: string;
  readonly version: string;
  readonly vms: readonly string[];
  readonly freeBytes: number;
  /** 0 if its agent has not enrolled it yet. */
  readonly seenMs: number;
  /** What its agent knows of it and its link. */
  readonly rates?: KnownRates | undefined;
}

export interface HostRegistry {
  /** Creates or renews; HOST_TAKEN if another caller enrolled this host. */
  enrol(namespace: string, host: HostRecord): Promise<void>;
  find(namespace: string, host: HostRef): Promise<HostRecord | undefined>;
  list(namespace: string): Promise<HostRecord[]>;
  /**
   * Gives a host to an identity (identityOf), whoever enrolled it before; what was known of it is kept if it was that
   * identity. Then the identity is bound to the namespace for good: IDENTITY_BOUND if it is to another.
   */
  bind(namespace: string, host: HostRef, identity: string): Promise<void>;
  /** The namespace that an identity is bound to, if it is. */
  boundTo(identity: string): Promise<string | undefined>;
}

/** Who owns a VM: one item, changed by conditional writes on its epoch only. */
export interface Ownership {
  readonly vm: string;
  readonly owner: HostRef;
  readonly epoch: number;
  readonly lease?: { readonly migration: string; readonly untilMs: number } | undefined;
  /** The migration that brought the VM to its owner. */
  readonly broughtBy?: string | undefined;
  /** It runs at its owner since that migration: its source can't take it back. */
  readonly runs?: boolean | undefined;
  /** Its guest was paused when it was brought. */
  readonly paused?: true | undefined;
  /** The migration that brought it away and was taken back. */
  readonly takenBack?: string | undefined;
}

export interface VmRegistry {
  find(namespace: string, vm: string): Promise<Ownership | undefined>;
  /**
   * Reserves a VM for a migration away from `source`; a VM never seen before becomes the source's, epoch 0. The same
   * migration may lease again. VM_LEASED if another migration holds an unexpired lease, VM_OWNED_ELSEWHERE if `source` isn't the owner.
   */
  lease(
    namespace: string,
    vm: string,
    source: HostRef,
    lease: { migration: string; untilMs: number },
    nowMs: number,
  ): Promise<Ownership>;
  /**
   * The fenced Commit: owner becomes `to` and epoch + 1 if epoch and lease are as said, in one conditional write.
   * Done already by the same migration: answers the same. Otherwise EPOCH_STALE, nothing changed.
   */
  commit(
    namespace: string,
    vm: string,
    move: { migration: string; to: HostRef; epoch: number; paused?: true },
  ): Promise<Ownership>;
  /**
   * Ends the migration's lease if it holds it, and counts the epoch up: a commit that was under way does not pass any
   * more, even if the same migration leases again.
   */
  release(namespace: string, vm: string, migration: string): Promise<void>;
  /**
   * The destination runs the VM that the migration brought to it, or is about to. Exactly one of this and `reclaim` passes.
   * VM_OWNED_ELSEWHERE if the VM is not there, or was taken back.
   */
  run(namespace: string, vm: string, at: { migration: string; owner: HostRef }): Promise<Ownership>;
  /**
   * The source takes the VM back that it was to commit at `epoch`, in one conditional write that counts the epoch up.
   * Before the commit it ends the lease, so that no late commit passes; after it the VM is the source's again.
   * VM_RUNS_ELSEWHERE once the destination runs it, unless an operator forces it; EPOCH_STALE if the VM has moved on.
   * Done already: answers the same.
   */
  reclaim(
    namespace: string,
    vm: string,
    back: { migration: string; source: HostRef; epoch: number; force?: boolean },
  ): Promise<Ownership>;
}

export interface MigrationStore {
  /** Creates; if the id exists, answers the record that is there. */
  create(migration: MigrationRecord): Promise<MigrationRecord>;
  find(id: string): Promise<MigrationRecord | undefined>;
  /** Newest first; registrations are in no list. */
  list(namespace: string, limit: number, after?: string): Promise<MigrationRecord[]>;
  /** Changes fields if the migration is in that run and in one of the states `from`; answers whether it was. */
  update(
    migration: Pick<MigrationRecord, 'id' | 'run'>,
    from: readonly MigrationRecord['state'][],
    change: Partial<MigrationRecord>,
  ): Promise<boolean>;
  putVm(id: string, vm: VmRecord): Promise<void>;
  /** Changes fields. VM_UNKNOWN if there is no such VM, or another run of the migration moves it by now. */
  updateVm(id: string, vm: Pick<VmRecord, 'name' | 'run'>, change: Partial<VmRecord>): Promise<void>;
  /** A VM that waits is moving from now on. Whoever says so late changes nothing: one that is settled stays so. */
  startVm(id: string, vm: Pick<VmRecord, 'name' | 'run'>): Promise<void>;
  vms(id: string): Promise<VmRecord[]>;
  /** Replaces the stream's record of one side. */
  putStream(id: string, stream: StreamRecord): Promise<void>;
  streams(id: string): Promise<StreamRecord[]>;
  /** The same round again is no error. */
  appendRound(id: string, round: Round): Promise<void>;
  /** Rounds of a stream in order, after the cursor. */
  rounds(id: string, stream: string, limit: number, after?: string): Promise<Round[]>;
  /** The one of them that sorts last. */
  lastRound(id: string, stream: string): Promise<Round | undefined>;
}

/** Tasks for agents. Tokens stay on this side. */
export interface TaskBoard {
  /** A new task, or the same again with a fresh token: then the attempt grows by one. Answers the attempt. */
  post(task: Omit<Task, 'attempt' | 'state' | 'instance' | 'postedMs'>): Promise<number>;
  find(id: string): Promise<Task | undefined>;
  /** Tasks of a host that are waiting or running. May lag behind `post` by moments. */
  open(namespace: string, host: HostRef): Promise<Task[]>;
  ofMigration(migration: string): Promise<Task[]>;
  /** Hands the attempt to an agent's run (`instance`); another run's task is taken over with attempt + 1. Answers the attempt, undefined if the task is closed. */
  take(id: string, instance: string): Promise<number | undefined>;
  /** Closes the attempt with its outcome; the same again answers true, another attempt false. */
  close(id: string, attempt: number, outcome: TaskOutcome): Promise<boolean>;
  /** Closes a task whatever its attempt, unless it is closed. */
  cancel(id: string): Promise<void>;
}

export interface Workflow {
  /** Starts an execution of that name. The same again is no error. */
  start(id: string, input: unknown): Promise<void>;
  succeed(token: string, output: unknown): Promise<void>;
  fail(token: string, error: ErrorJson): Promise<void>;
  beat(token: string): Promise<void>;
  /** TOKEN_DEAD is what the three above throw if the workflow no longer waits for the token. */
}

export interface EventSink {
  /** Throws EVENT_REFUSED. */
  emit(event: StateChanged): Promise<void>;
}

/** Short-lived rights on the object store, for one task. */
export interface Grant {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string;
  };
  readonly expiresMs: number;
}

export interface Granter {
  /** Rights to create objects below `write` and to read below `read` (key prefixes). */
  grant(session: string, rights: { write: readonly string[]; read: readonly string[] }): Promise<Grant>;
}
