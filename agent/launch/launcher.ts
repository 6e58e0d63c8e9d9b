import { withDeadline } from '../../adapters/deadline.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Dial } from '../../core/stream.ts';
import { connectQmp, type Qmp } from '../qemu/qmp.ts';
import { type MigrationAddress, urisOf } from './address.ts';
import { type ArrivingDisk, assertNamesAll, diskValues } from './disks.ts';
import { Guest } from './guest.ts';
import type { Launch, Launches } from './launches.ts';
import { fillCommand, type LauncherFile } from './template.ts';

/** A VM that arrives, and where its disks are. */
export interface ArrivingVm {
  readonly migration: string;
  readonly vm: string;
  readonly disks: readonly ArrivingDisk[];
}

export interface LauncherOptions {
  /** Where `file` was read from, for messages. */
  readonly path: string;
  readonly file: LauncherFile;
  /** Without one no guest can bring its memory here. */
  readonly address?: MigrationAddress | undefined;
}

/** Starts QEMUs for VMs that arrive, as the host's launcher file says. */
export class Launcher {
  readonly #options: LauncherOptions;
  readonly #launches: Launches;
  readonly #clock: Clock;

  constructor(options: LauncherOptions, launches: Launches, clock: Clock) {
    this.#options = options;
    this.#launches = launches;
    this.#clock = clock;
  }

  /** Refuses (MIGRATION_ADDRESS_MISSING) at once what `receive` could not do. */
  assertReceives(): MigrationAddress {
    const { address, path } = this.#options;
    if (address !== undefined) return address;
    throw new LayerMoverError('MIGRATION_ADDRESS_MISSING', 'guests can’t bring their memory to this host', {
      hint: 'start its agent with --migration-address, or migrate with --cutover stop',
      data: { launcher: path },
    });
  }

  /** Refuses (LAUNCHER_INVALID) at once a VM whose command leaves out one of these disks; undefined is the only one. */
  assertStarts({ vm, disks }: { vm: string; disks: readonly (string | undefined)[] }): void {
    const { path, file } = this.#options;
    assertNamesAll(path, file, vm, disks);
  }

  /**
   * Starts a VM's QEMU, which waits for its guest, does not let it run, and listens. Give `end` of the launches the rest if this fails.
   * Errors: LAUNCH_FAILED, MIGRATION_PORTS_TAKEN, those of Launches.start, the signal's reason.
   */
  async receive(vm: ArrivingVm, signal: AbortSignal): Promise<{ guest: Guest; uri: string }> {
    const address = this.assertReceives();
    const { guest, launch } = await this.#start(vm, 'defer', signal);
    const capabilities = ['events', 'pause-before-switchover'].map((capability) => ({ capability, state: true }));
    await guest.qmp.execute('migrate-set-capabilities', { capabilities }, { signal });
    await guest.hold(signal);
    return { guest, uri: await listen(guest, address, this.#launches.ramPath(launch), signal) };
  }

  /** Starts the QEMU of a VM that boots from its disk. Errors: LAUNCH_FAILED, those of Launches.start, the signal's reason. */
  async boot(vm: ArrivingVm, signal: AbortSignal): Promise<Guest> {
    return (await this.#start(vm, undefined, signal)).guest;
  }

  async #start({ migration, vm, disks }: ArrivingVm, incoming: 'defer' | undefined, signal: AbortSignal) {
    const { path, file } = this.#options;
    const argv = (qmp: string) => fillCommand(path, file, vm, { name: vm, qmp, incoming, ...diskValues(disks) });
    const { launch, program } = await this.#launches.start({ migration, vm }, argv);
    return { launch, guest: await this.#connect(launch, program.ended, signal) };
  }

  /** A QEMU that ends before it answers is told of at once, with its last words. */
  async #connect(launch: Launch, ended: Promise<void>, signal: AbortSignal): Promise<Guest> {
    const stop = new AbortController();
    const died = ended.then(() => stop.abort(new LayerMoverError('LAUNCH_FAILED', 'it ended')));
    died.catch(() => undefined);
    const dial = unixSocket(this.#launches.qmpPath(launch));
    try {
      const qmp = await withDeadline((within) => untilAnswers(dial, this.#clock, within), {
        clock: this.#clock,
        ms: limits.qemu_start_ms,
        late: () => new LayerMoverError('LAUNCH_FAILED', `no answer within ${limits.qemu_start_ms} ms`),
        signal: AbortSignal.any([signal, stop.signal]),
      });
      return new Guest(launch.vm, qmp, ended, () => this.#launches.lastWords(launch));
    } catch (cause) {
      signal.throwIfAborted();
      const said = await this.#launches.lastWords(launch);
      throw new LayerMoverError(
        'LAUNCH_FAILED',
        `the QEMU of ${launch.vm} does not start: ${said || 'it says nothing'}`,
        {
          hint: `try the command of ${this.#options.path} by hand; its QMP socket must be {qmp}`,
          data: { vm: launch.vm, said },
          cause,
        },
      );
    }
  }
}

/** A QEMU that checks much before it opens its monitor takes longer than a connection may. */
async function untilAnswers(dial: Dial, clock: Clock, signal: AbortSignal): Promise<Qmp> {
  for (;;) {
    try {
      return await connectQmp(dial, { clock, signal });
    } catch (error) {
      if (signal.aborted || !hasCode(error, 'QMP_UNREACHABLE')) throw error;
    }
  }
}

/** Has a QEMU listen where nobody else does. */
async function listen(guest: Guest, address: MigrationAddress, socket: string, signal: AbortSignal): Promise<string> {
  for (const uri of urisOf(address, socket)) {
    try {
      await guest.qmp.execute('migrate-incoming', { uri }, { signal });
      return uri;
    } catch (error) {
      if (!hasCode(error, 'QMP_COMMAND_FAILED') || !/in use/i.test(error.message)) throw error;
    }
  }
  throw new LayerMoverError('MIGRATION_PORTS_TAKEN', 'every port for guests’ memory is taken', {
    hint: 'give the agent more of them: --migration-address HOST:FIRST-LAST',
    data: { ...address },
  });
}
