import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import type { DiskWriter } from '../../agent/disk/writer.ts';
import type { Guest } from '../../agent/launch/guest.ts';
import { Launcher } from '../../agent/launch/launcher.ts';
import { Launches } from '../../agent/launch/launches.ts';
import { type LauncherFile, parseLauncher } from '../../agent/launch/template.ts';
import type { Qmp } from '../../agent/qemu/qmp.ts';
import { NbdRounds } from './nbd-rounds.ts';

const never = new AbortController().signal;
export const OWNER = { migration: `m${'0'.repeat(20)}`, vm: 'web-1' };

/** The QEMUs of one test. */
export function openLaunches(folder: string): Promise<Launches> {
  const world = { files: systemFiles, processes: systemProcesses, random: systemRandom };
  return Launches.open(folder, world, []);
}

/** A move of a running guest with its memory, without a cloud or agents. */
export interface ByHand {
  readonly source: Qmp;
  /** Path of the socket at which the source's QEMU serves blocks. */
  readonly nbd: string;
  readonly writer: DiskWriter;
  /** The file that `writer` makes. */
  readonly top: string;
  readonly launches: Launches;
  readonly launcher: LauncherFile;
  /** Called before each round but the first and the last. */
  readonly between: () => Promise<void>;
  /** Called after each round, when all of it was written. */
  readonly written: (bytes: number) => Promise<void>;
}

/** Moves a guest; its disk is finished when it goes on at the QEMU that was waiting for it. */
export async function moveByHand({ source, nbd, writer, top, ...move }: ByHand): Promise<Guest> {
  const rounds = new NbdRounds(source, nbd, writer);
  await move.written(await rounds.first());
  const file = parseLauncher('launcher.json', JSON.stringify(move.launcher));
  const launcher = new Launcher({ path: 'launcher.json', file, address: { kind: 'unix' } }, move.launches, systemClock);
  const { guest, uri } = await launcher.receive(
    { ...OWNER, disks: [{ disk: undefined, top, kinds: { ud: top } }] },
    never,
  );
  for (let round = 0; round < 2; round++) {
    await move.between();
    await move.written(await rounds.next());
  }
  const capabilities = ['events', 'pause-before-switchover'].map((capability) => ({ capability, state: true }));
  await source.execute('migrate-set-capabilities', { capabilities });
  const paused = source.waitFor('MIGRATION', ({ data }) => data.status === 'pre-switchover', never);
  await source.execute('migrate', { uri });
  await paused;
  await move.written(await rounds.next());
  await writer.finish();
  await source.execute('nbd-server-stop');
  await source.execute('migrate-continue', { state: 'pre-switchover' });
  await guest.untilHere(never);
  await guest.goOn();
  return guest;
}
