import { join } from 'node:path';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { geometryOf } from '../../core/chunk.ts';
import { errorToJson, hasCode, LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import { RecordFolder } from '../catalog/record-folder.ts';
import type { Log } from '../daemon/log.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import { isAway } from '../qemu/failure.ts';
import { connectQmp } from '../qemu/qmp.ts';
import { COPY } from './begin-tracking.ts';
import { LiveBook } from './book.ts';
import { type ExaminedDisk, examine } from './examine.ts';
import { putBack } from './put-back.ts';
import { type LiveRecord, liveRecord } from './records.ts';
import { runningImage } from './running-image.ts';
import { type LiveDisk, LiveSession } from './session.ts';

/** Which VM’s session is meant, and what of its top layers must be known to begin one. */
export interface SessionOf {
  readonly migration: string;
  /** Of the migration: its destination begins anew, and so does the session. */
  readonly run: number;
  readonly vm: string;
  readonly chunkBytes: number;
  /** Of its disks, in order: layer id of the layer below the top one; 32 zero bytes if there is none. */
  readonly disks: readonly { readonly disk: string | undefined; readonly parent: Uint8Array }[];
}

interface Open {
  readonly session: LiveSession;
  readonly run: number;
  /** Ends the wait for the next task. */
  inUse: AbortController;
  /** Resolves when the task that uses it has ended. */
  used: Promise<unknown>;
}

export interface SessionsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  /** For what is kept from run to run, and for what is not. */
  readonly folder: string;
  readonly images: ImageFolder;
  /** Settles a cutover that the run before did not come to the end of; the VM is used no sooner. */
  readonly settle: (record: LiveRecord, signal: AbortSignal) => Promise<void>;
}

const BOOK = 'book-';

/**
 * The running VMs that are being migrated from here. A session lives from round to round; nobody using it for
 * `limits.live_idle_ms`, as when its migration has ended or the cloud is away, it is taken back, and the guest is as it was.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #records: RecordFolder<LiveRecord>;
  readonly #open = new Map<string, Open>();
  readonly #stopping = new AbortController();
  /** What the run before left, by VM. */
  readonly #settling = new Map<string, Promise<void>>();

  private constructor(options: SessionsOptions, records: RecordFolder<LiveRecord>) {
    this.#options = options;
    this.#records = records;
  }

  /** Opens what the last run left, and begins to put it in order. Errors: STATE_CORRUPT. */
  static async open(options: SessionsOptions): Promise<Sessions> {
    const { files, folder } = options;
    await files.makeFolder(folder);
    const left = (await files.list(folder)).filter(({ name }) => name.startsWith(BOOK) || name.startsWith(COPY));
    for (const { name } of left) await files.remove(join(folder, name));
    const records = await RecordFolder.open(files, join(folder, 'vms'), liveRecord);
    const sessions = new Sessions(options, records);
    for (const [vm, record] of records.all()) sessions.#settling.set(vm, sessions.#settle(record));
    return sessions;
  }

  /**
   * Does `work` with the VM's session, which begins with it if there is none. One that failed in a way that leaves it useless,
   * or whose task was cancelled, ends. Errors: VM_NOT_RUNNING, those of examine, of LiveSession and of `work`.
   */
  async use<T>(of: SessionOf, signal: AbortSignal, work: (session: LiveSession) => Promise<T>): Promise<T> {
    const open = await this.#take(of, signal);
    const working = this.#work(open, of.vm, signal, work);
    open.used = working.catch(() => undefined);
    return working;
  }

  /**
   * Ends the session that an earlier run of a migration has left, once no task uses it: QEMU's monitor takes one connection
   * at a time. The guest is as it was then.
   */
  async release(vm: string): Promise<void> {
    const open = this.#open.get(vm);
    await open?.used;
    if (open !== undefined) await this.#end(vm, open);
    await this.settled(vm);
  }

  /** Notes that the guest is about to be handed over, or no longer. */
  async note(vm: string, cutover: LiveRecord['cutover']): Promise<void> {
    const { cutover: _before, ...record } = this.#records.get(vm)!;
    await this.#records.put(vm, { ...record, ...(cutover === undefined ? {} : { cutover }) });
  }

  /** The guest has gone, and its QEMU with it: there is nothing to put back. */
  async gone(vm: string): Promise<void> {
    const open = this.#open.get(vm);
    this.#open.delete(vm);
    open?.inUse.abort(null);
    await open?.session.forget();
    await this.#records.remove(vm);
  }

  /** Aborts when the agent stops. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Resolves when what the run before left of a VM is in order. */
  async settled(vm: string): Promise<void> {
    await this.#settling.get(vm);
  }

  /** Ends all sessions: every guest is as it was. */
  async stop(): Promise<void> {
    this.#stopping.abort(new LayerMoverError('AGENT_STOPPED', 'the agent was stopped'));
    await Promise.all([...this.#open].map(([vm, open]) => this.#end(vm, open)));
    await Promise.all(this.#settling.values());
  }

  async #work<T>(open: Open, vm: string, signal: AbortSignal, work: (session: LiveSession) => Promise<T>): Promise<T> {
    try {
      const done = await work(open.session);
      this.#leave(vm, open);
      return done;
    } catch (error) {
      const isUseless = !open.session.isAlive || hasCode(error, 'TRACKING_LOST', 'STATE_CORRUPT');
      const isOver = signal.aborted || isAway(error) || isUseless;
      if (isOver) await this.#end(vm, open);
      else {
        // Whatever comes next, the guest is not slowed down for a migration that does not go on.
        await open.session.slowDown(undefined).catch(() => undefined);
        this.#leave(vm, open);
      }
      throw error;
    }
  }

  async #take(of: SessionOf, signal: AbortSignal): Promise<Open> {
    await this.settled(of.vm);
    const known = this.#open.get(of.vm);
    const isSame = known?.session.migration === of.migration && known.run === of.run;
    if (known !== undefined && isSame && !known.session.qmp.ended.aborted) {
      known.inUse.abort(null);
      return known;
    }
    if (known !== undefined) await this.#end(of.vm, known);
    const session = await this.#begin(of, signal);
    const open = { session, run: of.run, inUse: new AbortController(), used: Promise.resolve() };
    this.#open.set(of.vm, open);
    return open;
  }

  async #begin(of: SessionOf, signal: AbortSignal): Promise<LiveSession> {
    const { migration, vm } = of;
    const { clock, log, files, folder, images } = this.#options;
    const image = runningImage(await images.find(vm));
    const left = this.#records.get(vm);
    // Its limits, not those that are set now, are what the guest is to have afterwards.
    if (left !== undefined) await putBack(left, { clock, signal });
    const qmp = await connectQmp(unixSocket(image.qmp), { clock, signal });
    try {
      const found = await examine(qmp, image, images, signal, async (examined) => examined);
      const limited = found.map(({ disk: { qdev, throttle } }) => ({ qdev, throttle: { ...throttle } }));
      await this.#records.put(vm, { vm, migration, qmp: image.qmp, disks: limited });
      const disks: LiveDisk[] = [];
      for (const each of of.disks) disks.push(await this.#disk(of, each, found));
      const options = { qmp, clock, log, files, folder, vm, migration, disks, monitor: image.qmp };
      return await LiveSession.begin(options, signal);
    } catch (error) {
      qmp.close();
      throw error;
    }
  }

  async #disk(
    { vm, chunkBytes, disks }: SessionOf,
    { disk, parent }: SessionOf['disks'][number],
    found: readonly ExaminedDisk[],
  ): Promise<LiveDisk> {
    const { files, folder } = this.#options;
    const known = found.find(({ image }) => image.disk === disk);
    if (known === undefined || found.length !== disks.length) throw disksChanged(vm);
    const { node, qdev, throttle, virtualBytes, fileBytes, clusterBytes } = known.disk;
    const { mechanism } = known;
    const copyBytes = Math.min(fileBytes, virtualBytes);
    const geometry = geometryOf(virtualBytes, chunkBytes);
    const book = await LiveBook.open(files, join(folder, BOOK), geometry, parent);
    const tracked = { node, geometry, clusterBytes, mechanism, copyBytes };
    return { disk, ...tracked, qdev, throttle, book, doneBytes: 0, cursor: undefined };
  }

  /** The next task has some time to come; none comes for a guest that has gone. */
  #leave(vm: string, open: Open): void {
    if (this.#open.get(vm) !== open) return;
    open.inUse = new AbortController();
    const { clock } = this.#options;
    const idle = clock.sleep(limits.live_idle_ms, open.inUse.signal);
    idle.then(() => this.#end(vm, open)).catch(() => undefined);
  }

  async #end(vm: string, open: Open): Promise<void> {
    if (this.#open.get(vm) !== open) return;
    this.#open.delete(vm);
    open.inUse.abort(null);
    const isDone = await open.session.end();
    const record = this.#records.get(vm)!;
    // One that is being handed over is nobody's to forget: what becomes of the guest is still to be told.
    if (isDone && record.cutover === undefined) await this.#records.remove(vm);
    else this.#settling.set(vm, this.#settle(record));
  }

  /** Puts back what is noted, by a connection of its own. What does not succeed is tried again by the next run. */
  async #settle(record: LiveRecord): Promise<void> {
    const { clock, log } = this.#options;
    const { vm } = record;
    try {
      if (record.cutover !== undefined) await this.#options.settle(record, this.#stopping.signal);
      await putBack(record, { clock, signal: this.#stopping.signal });
      await this.#records.remove(vm);
      log.info({ vm, migration: record.migration }, 'a running VM is as it was before its migration');
    } catch (error) {
      log.warn({ vm, error: errorToJson(error) }, 'what a migration left at a running VM can’t be put back now');
    } finally {
      this.#settling.delete(vm);
    }
  }
}

function disksChanged(vm: string): LayerMoverError {
  return new LayerMoverError('DISKS_CHANGED', `${vm} has other disks than when its migration began`, {
    hint: 'run the migration again',
    data: { vm },
  });
}
