import { join } from 'node:path';
import * as z from 'zod';
import { migrationId, vmName } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { Random } from '../../core/ports.ts';
import type { Processes, StartedProgram } from '../../core/processes.ts';
import { RecordFolder } from '../catalog/record-folder.ts';
import { blocksPath } from '../qemu/exports.ts';

/** A QEMU that the agent started, from before it was started until it has ended or its VM has left. */
const launch = z.object({
  /** Marks its process; names its folder. */
  mark: z.string().regex(/^[0-9a-f]{16}$/),
  migration: migrationId,
  vm: vmName,
  /** The VM is this host's: its QEMU is no longer the agent's to end. */
  kept: z.literal(true).exactOptional(),
});
export type Launch = z.infer<typeof launch>;

interface Owner {
  readonly migration: string;
  readonly vm: string;
}

/** What processes are started in. */
export interface LaunchWorld {
  readonly files: Files;
  readonly processes: Processes;
  readonly random: Random;
}

/**
 * The journal of QEMUs that were started for VMs which arrive. A record is durable before its process is there, so that
 * whenever the agent dies, its next run can end what it started, or find it again.
 */
export class Launches {
  readonly #folder: string;
  readonly #world: LaunchWorld;
  readonly #records: RecordFolder<Launch>;

  private constructor(folder: string, world: LaunchWorld, records: RecordFolder<Launch>) {
    this.#folder = folder;
    this.#world = world;
    this.#records = records;
  }

  /**
   * Opens the journal in `folder`, and ends what the last run left: a QEMU whose VM's disk is not in `arrived` (its
   * migration and VM), and the records of those that have ended themselves.
   */
  static async open(folder: string, world: LaunchWorld, arrived: readonly Owner[]): Promise<Launches> {
    await world.files.makeFolder(folder);
    const records = await RecordFolder.open(world.files, join(folder, 'journal'), launch);
    const launches = new Launches(folder, world, records);
    for (const [, each] of records.all()) {
      const isWanted = each.kept === true || arrived.some((owner) => isOf(each, owner));
      if (!isWanted || !(await world.processes.isRunning(each.mark))) await launches.#end(each);
    }
    return launches;
  }

  /** The one that was started for a VM of a migration, unless it has ended since it was kept. */
  find(owner: Owner): Launch | undefined {
    return this.#records.all().find(([, each]) => isOf(each, owner))?.[1];
  }

  /** Whether its process is there. */
  isRunning({ mark }: Pick<Launch, 'mark'>): Promise<boolean> {
    return this.#world.processes.isRunning(mark);
  }

  /** VMs of this host whose QEMU was started by an agent: name and QMP socket. */
  kept(): { vm: string; qmp: string }[] {
    const kept = this.#records.all().filter(([, each]) => each.kept === true);
    return kept.map(([, each]) => ({ vm: each.vm, qmp: this.qmpPath(each) }));
  }

  /** Path of its QMP socket, in a folder that only the agent's user may enter. */
  qmpPath({ mark }: Pick<Launch, 'mark'>): string {
    return join(this.#folder, mark, 'qmp');
  }

  /** Path of the socket that RAM comes by where no address is named. */
  ramPath({ mark }: Pick<Launch, 'mark'>): string {
    return join(this.#folder, mark, 'ram');
  }

  /**
   * Starts a VM's QEMU, whose arguments `argv` gives. Errors: LAUNCHER_INVALID if its sockets' paths would be too
   * long, PROGRAM_NOT_STARTED, those of `argv`.
   */
  async start(owner: Owner, argv: (qmp: string) => string[]): Promise<{ launch: Launch; program: StartedProgram }> {
    const { files, processes, random } = this.#world;
    const started: Launch = { mark: toHex(random.bytes(8)), migration: owner.migration, vm: owner.vm };
    const qmp = this.qmpPath(started);
    // When the VM moves on its QEMU serves its blocks beside it.
    const longest = blocksPath(qmp);
    if (Buffer.byteLength(longest) > limits.socket_path_bytes_max) throw pathTooLong(longest);
    const command = argv(qmp);
    await this.#records.put(started.mark, started);
    try {
      await files.makeFolder(join(this.#folder, started.mark));
      const program = await processes.start({ argv: command, mark: started.mark, log: this.#logPath(started) });
      return { launch: started, program };
    } catch (error) {
      await this.#end(started);
      throw error;
    }
  }

  /** The last words of a QEMU. */
  async lastWords(of: Launch): Promise<string> {
    const log = await this.#world.files.open(this.#logPath(of), 'read');
    try {
      const said = Buffer.alloc(limits.qemu_log_quoted_bytes);
      const from = Math.max(0, (await log.stat()).bytes - said.length);
      return said.toString('utf8', 0, await log.read(said, from)).trim();
    } finally {
      await log.close();
    }
  }

  /** The VM is this host's from now on, and so is its QEMU; none is no error. */
  async keep(owner: Owner): Promise<void> {
    const each = this.find(owner);
    if (each !== undefined) await this.#records.put(each.mark, { ...each, kept: true });
  }

  /** Ends the QEMU of a VM that does not come, at once; none is no error. One that was kept is not touched. */
  async end(owner: Owner): Promise<void> {
    for (const [, each] of this.#records.all()) if (isOf(each, owner) && each.kept !== true) await this.#end(each);
  }

  async #end(each: Launch): Promise<void> {
    if (each.kept !== true) await this.#world.processes.kill(each.mark);
    await this.#world.files.remove(join(this.#folder, each.mark));
    await this.#records.remove(each.mark);
  }

  #logPath({ mark }: Launch): string {
    return join(this.#folder, mark, 'log');
  }
}

function isOf(each: Launch, { migration, vm }: Owner): boolean {
  return each.migration === migration && each.vm === vm;
}

function pathTooLong(path: string): LayerMoverError {
  return new LayerMoverError('LAUNCHER_INVALID', `the path of a socket would be too long: ${path}`, {
    hint: `the system allows ${limits.socket_path_bytes_max} bytes: give the agent a state folder with a shorter path, --state`,
    data: { path, limit: limits.socket_path_bytes_max },
  });
}
