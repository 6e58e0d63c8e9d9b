import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { faultsOf, lostFrom } from '../../live/guest/guest.ts';
import { hashesOf } from '../hashes.ts';
import { untilNothing } from '../judge.ts';
import { remainsOf } from '../remains.ts';
import type { World } from '../world.ts';
import type { Guests, Site } from './guests.ts';
import { ownerOf } from './registry.ts';
import { liveRemains } from './remains.ts';

const run = promisify(execFile);
/** A session that nobody goes on with is taken back after a minute. */
const CLEAN_MS = 90_000;
const GOES_ON_MS = 60_000;
/** What `qemu-img check` says of clusters that nobody uses: a QEMU that was killed may leave some. */
const LEAKS = 3;

export interface LiveCase {
  readonly world: World;
  readonly guests: Guests;
  readonly vms: readonly string[];
  /** Hashes of the source's files before the migration. */
  readonly before: ReadonlyMap<string, string>;
  /** VMs whose QEMU was killed. */
  readonly hurt: ReadonlySet<string>;
}

/** What is wrong after a migration has ended; nothing if all is well. Ends the guests. */
export async function judgeLive(of: LiveCase): Promise<string[]> {
  const { world, vms } = of;
  const owners = new Map<string, Site>();
  for (const vm of vms) owners.set(vm, (await ownerOf(world, vm)) === 'a/h1' ? 'a' : 'b');
  world.note(`owners: ${JSON.stringify([...owners])}`);
  const look = async () => [...(await remainsOf(world)), ...(await liveRemains(of, owners))];
  const problems = await untilNothing(look, CLEAN_MS);
  for (const vm of vms) problems.push(...(await judgeVm(of, vm, owners.get(vm)!)));
  return [...problems, ...(await baseChanges(of))];
}

async function judgeVm({ world, guests, hurt }: LiveCase, vm: string, site: Site): Promise<string[]> {
  const problems: string[] = [];
  const runs = (await guests.pids(site, vm)).length > 0;
  if (runs && !(await guests.goesOn(vm, GOES_ON_MS))) problems.push(`${vm} does not go on at ${site}`);
  if (!runs && !hurt.has(vm)) problems.push(`${vm} does not run at ${site}, though nobody killed it`);
  if (runs) await guests.ask(site, vm, (qmp) => qmp.execute('quit'));
  await guests.kill(site, vm);
  const acks = await guests.acks(vm);
  world.note(`${vm} has acknowledged ${acks.length}`);
  problems.push(...faultsOf(acks));
  for (const top of guests.tops(site, vm)) problems.push(...(await diskFaults(world, top, acks, hurt.has(vm))));
  if (runs) return problems;
  await guests.start(site, vm);
  if (!(await guests.goesOn(vm, GOES_ON_MS))) problems.push(`${vm} does not boot from its disk at ${site}`);
  await guests.kill(site, vm);
  return [...problems, ...faultsOf(await guests.acks(vm))];
}

async function diskFaults(world: World, top: string, acks: readonly number[], mayLeak: boolean): Promise<string[]> {
  if (!existsSync(top)) return [`${top} is not there, and its VM is there`];
  const raw = path.join(world.folder, 'judged.raw');
  const checked = await run('qemu-img', ['check', '-q', top]).catch(
    (error: { code: number; message: string }) => error,
  );
  const isClean = !('code' in checked) || (mayLeak && checked.code === LEAKS);
  await run('qemu-img', ['convert', '-O', 'raw', top, raw]);
  const lost = lostFrom(await readFile(raw), acks);
  await rm(raw);
  const lostMost = lost.slice(0, 5).map((each) => `${top}: ${each}`);
  return [...(isClean ? [] : [`${top}: ${checked.message}`]), ...lostMost];
}

/** Base layers at the source are nobody's to change. */
async function baseChanges({ world, guests, vms, before }: LiveCase): Promise<string[]> {
  const now = await hashesOf(world.imagesOf('a'));
  const tops = vms.flatMap((vm) => guests.tops('a', vm)).map((top) => path.basename(top));
  const bases = [...before.keys()].filter((name) => !tops.includes(name));
  return bases.filter((name) => before.get(name) !== now.get(name)).map((name) => `the source's ${name} changed`);
}
