import type { Cutover, LayerTransfer } from '../../../core/api/tasks.ts';
import { type Disk, disksOf, topLayer } from '../../../core/disks.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Waiting } from '../../images/arrivals.ts';
import type { Guest } from '../../launch/guest.ts';
import type { Launcher } from '../../launch/launcher.ts';
import { reopenGuest } from '../../launch/reopen.ts';
import type { FollowInput, WantedTop } from '../../tasks/arrived-vm.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import { Announcer } from './announcer.ts';
import { arrivedDisks, arrivingDisk } from './arriving-disk.ts';

/**
 * The QEMU of a VM that arrives: it is started when all disks have caught up for the first time and waits for the guest's
 * memory, or when the VM is committed and boots from its disks.
 */
export class ArrivingGuest {
  readonly #host: TaskHost;
  readonly #run: TaskRun;
  readonly #input: FollowInput;
  readonly #cutover: Cutover;
  readonly #onFailure: (error: unknown) => void;
  readonly #announcer: Announcer;
  /** Paths of the VM's top layers, by disk; by undefined that of the only one. */
  readonly #tops = new Map<string | undefined, string>();
  #starting: Promise<Guest | undefined> | undefined;

  /**
   * `onFailure` hears of what ends the move before the VM is here. Errors: LAUNCHER_MISSING, MIGRATION_ADDRESS_MISSING if
   * the guest's memory is to come and this host can't take it; LAUNCHER_INVALID if its command leaves out a disk of the VM.
   */
  constructor(host: TaskHost, run: TaskRun, input: FollowInput, onFailure: (error: unknown) => void) {
    this.#host = host;
    this.#run = run;
    this.#input = input;
    this.#cutover = input.live!.cutover;
    this.#onFailure = onFailure;
    if (this.#cutover === 'ram') launcherOf(host).assertReceives();
    host.launcher?.assertStarts({ vm: input.chain.vm, disks: this.#disks.map(({ disk }) => disk) });
    this.#announcer = new Announcer(host, run, { waits: this.#cutover === 'ram' });
    this.#announcer.failed.catch(onFailure);
  }

  /** The file is valid, and holds all up to this cursor. */
  caughtUp({ transfer, vm }: WantedTop, path: string, cursor: string): void {
    this.#announcer.applied(transfer.stream, cursor);
    this.#tops.set(vm.disk, path);
    const isReady = this.#tops.size === this.#disks.length;
    if (this.#cutover !== 'ram' || !isReady || this.#starting !== undefined) return;
    this.#starting = this.#receive();
    this.#starting.catch(this.#onFailure);
  }

  /** After a restart of the agent: finds the QEMU that its last run started, if there is one. Errors: QMP_UNREACHABLE. */
  async reopen(): Promise<void> {
    const { migration, chain } = this.#input;
    const owner = { migration, vm: chain.vm };
    // Where none was started one that boots still may be.
    if (this.#host.launches.find(owner) === undefined) return;
    this.#starting = reopenGuest(this.#host, owner, this.#run.signal);
    await this.#starting;
  }

  /** Waits until the guest is here with its memory; it does not run by that. Errors: GUEST_ENDED, QMP_LOST, the signal's reason. */
  async untilHere(signal: AbortSignal): Promise<Guest> {
    const guest = await this.#starting;
    if (guest === undefined) throw gone(this.#input.chain.vm);
    await guest.untilHere(signal);
    return guest;
  }

  /**
   * Boots the guest, whose VM is committed, and waits until it runs. Undefined if nobody starts it here. Errors: GUEST_ENDED,
   * QMP_LOST, those of Launcher.boot, the signal's reason.
   */
  async untilBooted(arrived: Waiting, signal: AbortSignal): Promise<Guest | undefined> {
    const { launcher, catalog } = this.#host;
    if (launcher === undefined) return undefined;
    this.#starting ??= bootArrived({ launcher, catalog }, arrived, this.#run.signal);
    return this.untilHere(signal);
  }

  /** Ends the QEMU, if there is one. */
  async giveUp(): Promise<void> {
    const { migration, chain } = this.#input;
    // What is being started must have a record to be found by.
    await this.leave();
    await this.#host.launches.end({ migration, vm: chain.vm });
  }

  /** Its monitor is free for others. */
  async leave(): Promise<void> {
    (await this.#starting?.catch(() => undefined))?.leave();
  }

  get #disks() {
    return disksOf(this.#input.chain.layers);
  }

  async #receive(): Promise<Guest> {
    const { migration, chain } = this.#input;
    const disks = await Promise.all(this.#disks.map((disk) => this.#arriving(disk)));
    const vm = { migration, vm: chain.vm, disks };
    const { guest, uri } = await launcherOf(this.#host).receive(vm, this.#run.signal);
    guest.lost().catch(this.#onFailure);
    this.#host.log.info({ vm: this.#input.chain.vm, uri }, 'a QEMU waits for the guest');
    this.#announcer.listens(uri);
    return guest;
  }

  #arriving({ disk, layers }: Disk<LayerTransfer>) {
    const kinds = layers.map(({ layer }) => layer.kind);
    const { parent } = topLayer({ layers });
    return arrivingDisk(this.#host.catalog, { disk, top: this.#tops.get(disk)!, kinds, parent });
  }
}

/** Boots the guest of a VM that is this host's, from its disks. Errors: those of Launcher.boot, the signal's reason. */
export async function bootArrived(
  { launcher, catalog }: { launcher: Launcher; catalog: Catalog },
  arrived: Waiting,
  signal: AbortSignal,
): Promise<Guest> {
  const { migration, name: vm } = arrived;
  return launcher.boot({ migration, vm, disks: await arrivedDisks(catalog, arrived) }, signal);
}

function launcherOf({ launcher, ref }: TaskHost): Launcher {
  if (launcher !== undefined) return launcher;
  throw new LayerMoverError('LAUNCHER_MISSING', `${ref} starts no QEMUs: no guest can bring its memory there`, {
    hint: 'start its agent with --launcher, or migrate with --cutover stop',
    data: { host: ref },
  });
}

function gone(vm: string): LayerMoverError {
  return new LayerMoverError('GUEST_ENDED', `the QEMU that waited for ${vm} is gone`, { data: { vm } });
}
