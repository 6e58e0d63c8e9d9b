import type { ApiClient } from '../../adapters/api/client.ts';
import type { Rate } from '../../adapters/rate.ts';
import type { Zstd } from '../../adapters/system/zstd.ts';
import type { Incoming } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import type { StreamCounts } from '../../core/api/tasks.ts';
import type { VmEnd } from '../../core/migration.ts';
import type { Clock, ObjectStore } from '../../core/ports.ts';
import type { Receipt } from '../../core/receipt.ts';
import type { Round } from '../../core/records.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Log } from '../daemon/log.ts';
import type { Arrivals } from '../images/arrivals.ts';
import type { Brought } from '../images/brought.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import type { RunningVms } from '../images/running-vms.ts';
import type { Journals } from '../journal/journals.ts';
import type { Launcher } from '../launch/launcher.ts';
import type { Launches } from '../launch/launches.ts';
import type { Sessions } from '../live/sessions.ts';
import type { ManifestStore } from '../manifests/store.ts';
import type { Busy } from '../measure/busy.ts';
import type { Measures } from '../measure/measures.ts';
import type { Pace } from '../pack/pace.ts';
import type { Outbox } from '../push/outbox.ts';
import type { ChunkPool } from '../scan/pool.ts';
import type { Fetches } from './fetches.ts';

/** What polls bring to tasks that wait (daemon/inbox.ts). */
export interface News {
  /** While `work` is done, polls wait at the API for news, so that no poll interval passes before tasks hear of them. */
  urgently<T>(work: () => Promise<T>): Promise<T>;
  rounds(of: { migration: string; run: number; stream: string }, signal: AbortSignal): AsyncIterable<Round>;
  receipt(migration: string, vm: string, signal: AbortSignal): Promise<Receipt>;
  /** The destination's words that it can take a running VM, each newer than the one before; the last one if several came. */
  incoming(migration: string, vm: string, signal: AbortSignal): AsyncIterable<Incoming>;
  /** How a VM's move has ended. A destination waits for it. */
  settled(migration: string, vm: string, signal: AbortSignal): Promise<VmEnd>;
}

/**
 * Runs heavy work when there is room for it. Work of a source never waits for another host, so it always comes to
 * an end and lets the destinations that wait for it come to theirs; that is why the two have places of their own.
 */
export type Places = <T>(signal: AbortSignal, work: (leave: () => void) => Promise<T>) => Promise<T>;

/** What all tasks of a host have in common. */
export interface TaskHost {
  readonly ref: HostRef;
  readonly namespace: string;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly images: ImageFolder;
  readonly catalog: Catalog;
  readonly arrivals: Arrivals;
  readonly brought: Brought;
  readonly fetches: Fetches;
  readonly launches: Launches;
  /** The VM files of VMs that run here. */
  readonly running: RunningVms;
  /** Starts QEMUs for VMs that arrive; undefined if the host's configuration names none. */
  readonly launcher?: Launcher | undefined;
  readonly manifests: ManifestStore;
  readonly journals: Journals;
  readonly measures: Measures;
  /** What its pulls open, check and write. */
  readonly unpacked: Busy;
  readonly pool: ChunkPool;
  /** How its pushes compress. */
  readonly pace: Pace;
  /** What they have on their way. */
  readonly outbox: Outbox;
  /** The threaded one unless set. */
  readonly zstd?: Zstd | undefined;
  readonly news: News;
  /** The running VMs that are being migrated from here. */
  readonly live: Sessions;
  /** `register` has one of its own: what is in no hurry keeps no migration waiting. */
  readonly places: { readonly source: Places; readonly destination: Places; readonly register: Places };
}

/** One attempt at a task. */
export interface TaskRun {
  readonly task: string;
  readonly attempt: number;
  /** Aborts when the task was cancelled or the agent stops: then nobody reads what comes of it. */
  readonly signal: AbortSignal;
  /** Aborts with `signal`; when the agent drains, only after what is being sent had time to be committed. */
  readonly cut: AbortSignal;
  /** The object store with this task's rights. */
  readonly store: ObjectStore;
  /** Set if the migration may send no more than so much a second. `store` keeps to it. */
  readonly limit?: {
    readonly rate: Rate;
    /** The same store, that does not: for what is sent while a guest is stopped. */
    readonly unlimited: ObjectStore;
  };
  /** Tells the next poll how far a stream is. */
  progress(counts: StreamCounts): void;
}
