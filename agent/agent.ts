import { join } from 'node:path';
import type { ApiClient } from '../adapters/api/client.ts';
import type { GrantedObjectStore, GrantedStoreOptions } from '../adapters/aws/object-store.ts';
import { systemFiles } from '../adapters/system/files.ts';
import { systemProcesses } from '../adapters/system/processes.ts';
import type { Zstd } from '../adapters/system/zstd.ts';
import { LayerMoverError } from '../core/errors.ts';
import type { Files } from '../core/files.ts';
import { toHex } from '../core/fingerprint.ts';
import { limits } from '../core/limits.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { Processes } from '../core/processes.ts';
import { Reread } from './catalog/reread.ts';
import { Bell } from './daemon/bell.ts';
import { Enrolment } from './daemon/enrolment.ts';
import { Inbox } from './daemon/inbox.ts';
import { lockStateFolder } from './daemon/lock.ts';
import type { Log } from './daemon/log.ts';
import { createPatientClient, isRefusal } from './daemon/patient-client.ts';
import { createPlaces } from './daemon/places.ts';
import { PollLoop } from './daemon/poll-loop.ts';
import { Rates } from './daemon/rates.ts';
import { reportable } from './daemon/reportable.ts';
import { Runs } from './daemon/runs.ts';
import { openState } from './daemon/state.ts';
import { VERSION } from './daemon/version.ts';
import { Journals } from './journal/journals.ts';
import { Launcher, type LauncherOptions } from './launch/launcher.ts';
import { FoundVms } from './live/found-vms.ts';
import { Sessions } from './live/sessions.ts';
import { Busy } from './measure/busy.ts';
import { LinkMeter } from './measure/link-meter.ts';
import { Pace } from './pack/pace.ts';
import { Outbox } from './push/outbox.ts';
import { ChunkPool } from './scan/pool.ts';
import { Fetches } from './tasks/fetches.ts';
import { perform } from './tasks/perform.ts';
import { forgetJournals } from './tasks/send.ts';
import { settleCutover } from './tasks/take-back.ts';
import type { TaskHost } from './tasks/task.ts';
import { Tidy } from './tasks/tidy.ts';

export interface AgentOptions {
  readonly site: string;
  readonly host: string;
  /** The namespace that `api` speaks for: it is a part of every object's key. */
  readonly namespace: string;
  /** VMs are read from it and arrive in it; all files of a chain must lie in it. */
  readonly imageFolder: string;
  /** Catalog, manifests and journal; `.layermover` in the image folder unless set. One agent at a time may use it. */
  readonly stateFolder?: string;
  /** Paths of top images by VM name; without it every image that nobody is based on is a VM. */
  readonly vms?: Readonly<Record<string, string>>;
  /** Where sockets of QMP monitors lie: their VMs are the host’s. Absolute. */
  readonly qmpFolder?: string;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly objectStore: (options: GrantedStoreOptions) => GrantedObjectStore;
  readonly log: Log;
  /** Threads that read and fingerprint; by default as many as there are cores, `limits.scan_workers_max` at the most. */
  readonly workers?: number;
  readonly machine?: Machine;
  /** How QEMUs of VMs that arrive running are started; without it none arrives with its memory. */
  readonly launcher?: LauncherOptions;
}

/** What a host computes with and stores on, by default this machine; a simulation has hosts of its own. */
export interface Machine {
  readonly files: Files;
  /** Closed with the agent. */
  readonly pool: ChunkPool;
  readonly zstd: Zstd;
  readonly processes?: Processes;
}

export interface Agent {
  /** Stops all tasks without a report, so that the next run takes them over. Nothing runs any more when it resolves. */
  stop(): Promise<void>;
}

/**
 * Starts the agent of a host. It is enrolled when this resolves, unless the cloud is away: then it goes on trying.
 * Errors: AGENT_RUNNING, IMAGE_FOLDER_MISSING, IMAGE_FOLDER_TOO_LARGE, STATE_CORRUPT, HOST_TAKEN and whatever else the
 * API refuses an enrolment with.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const files = options.machine?.files ?? systemFiles;
  const imageFolder = await files.resolve(options.imageFolder).catch((cause) => {
    throw folderMissing(options.imageFolder, cause);
  });
  const stateFolder = options.stateFolder ?? join(imageFolder, '.layermover');
  await files.makeFolder(stateFolder);
  const unlock = lockStateFolder(stateFolder, files);
  const pool =
    options.machine?.pool ?? new ChunkPool(options.workers === undefined ? {} : { workers: options.workers });
  try {
    const stop = await begin(options, { imageFolder, stateFolder, files, pool });
    let stopped: Promise<void> | undefined;
    return {
      stop() {
        stopped ??= stop().finally(unlock);
        return stopped;
      },
    };
  } catch (error) {
    await pool.close();
    unlock();
    throw error;
  }
}

async function begin(
  options: AgentOptions,
  {
    imageFolder,
    stateFolder,
    files,
    pool,
  }: { imageFolder: string; stateFolder: string; files: Files; pool: ChunkPool },
) {
  const { api, clock, log, random } = options;
  const ref = `${options.site}/${options.host}` as const;
  const world = { files, random, processes: options.machine?.processes ?? systemProcesses };
  const { qmpFolder: folder } = options;
  const found =
    folder === undefined ? undefined : new FoundVms({ folder, images: { path: imageFolder, files }, clock, log });
  const state = await openState(world, imageFolder, stateFolder, { named: options.vms, found });
  const launcher = options.launcher === undefined ? undefined : new Launcher(options.launcher, state.launches, clock);
  const journals = new Journals(join(stateFolder, 'journal'), { files, clock, log });
  await journals.sweep();
  const freeBytes = () => files.freeBytes(imageFolder);
  const wake = new Bell();
  const inbox = new Inbox(clock, wake);
  const enrolment = new Enrolment({ ...state, ref, api, clock, freeBytes, version: VERSION });
  const patient = createPatientClient(api, clock);
  const live = await Sessions.open({
    clock,
    log,
    files,
    folder: join(stateFolder, 'live'),
    images: state.images,
    settle: (record, signal) =>
      settleCutover({ ref, api: patient, clock, log, running: state.running }, record, signal),
  });
  const host: TaskHost = {
    ...state,
    fetches: new Fetches(),
    launcher,
    journals,
    live,
    ref,
    namespace: options.namespace,
    api: patient,
    clock,
    log,
    pool,
    pace: new Pace(clock),
    outbox: new Outbox(),
    unpacked: new Busy(clock, (rate, bytes) => state.measures.note('unpack', rate, bytes)),
    zstd: options.machine?.zstd,
    news: inbox,
    places: {
      source: createPlaces(limits.pushes_at_once),
      destination: createPlaces(limits.pulls_at_once),
      register: createPlaces(1),
    },
  };
  const running = { has: (task: string) => runs.has(task), count: () => runs.count };
  const tidy = new Tidy({ ...host, api }, running, () => enrolment.expire());
  const rates = new Rates(clock);
  const link = new LinkMeter(clock, state.measures);
  const runs = new Runs({
    api: host.api,
    clock,
    log,
    storeFor: (task, attempt, signal) => {
      const renew = () => host.api.call('grant', { params: { task }, body: { attempt }, signal });
      return options.objectStore({ renew, clock, random, signal });
    },
    perform: (input, run) => {
      const measured = { ...run, store: link.watch(run.store) };
      return rates.within(input, measured, (limited) => perform(host, limited, input));
    },
    onDone: (input) => forgetJournals(host, input),
    onEnd: () => {
      tidy.taskEnded();
      enrolment.expire();
      wake.ring();
    },
  });
  const stopping = new AbortController();
  await enrolment.renew(stopping.signal).catch(async (error) => {
    if (isRefusal(error)) {
      await live.stop();
      throw error;
    }
    log.warn({ error: reportable(error) }, 'the cloud can’t be reached; trying on');
  });
  const instance = toHex(random.bytes(16));
  const loop = new PollLoop({
    ref,
    instance,
    api,
    clock,
    log,
    enrolment,
    runs,
    inbox,
    tidy: (signal) => tidy.run(signal),
    freeBytes,
    wake,
  });
  const polling = loop.run(stopping.signal);
  const reread = new Reread({
    ...host,
    isIdle: () => runs.count === 0,
    onChanged: () => {
      enrolment.expire();
      wake.ring();
    },
  });
  const rereading = reread.run(stopping.signal);
  log.info({ host: ref, imageFolder, stateFolder, instance }, 'agent runs');

  return async () => {
    stopping.abort(new LayerMoverError('AGENT_STOPPED', 'the agent was stopped'));
    await Promise.all([polling, rereading]);
    if (runs.count > 0) log.info({ tasks: runs.count }, 'draining: what is being sent is finished, the rest is left');
    await runs.stop();
    await live.stop();
    await pool.close();
    log.info({ host: ref }, 'agent stopped');
  };
}

function folderMissing(folder: string, cause: unknown): LayerMoverError {
  return new LayerMoverError('IMAGE_FOLDER_MISSING', `there is no image folder ${folder}`, {
    hint: 'make it, or name another one',
    data: { folder },
    cause,
  });
}
