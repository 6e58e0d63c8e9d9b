import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { RunningVms } from '../../agent/images/running-vms.ts';
import { verifyChain } from '../../agent/verify/verify-chain.ts';
import { disksOf } from '../../core/disks.ts';
import { toHex } from '../../core/fingerprint.ts';
import { hasEnded } from '../../core/migration.ts';
import type { Receipt } from '../../core/receipt.ts';
import { acknowledged, faultsOf } from './judge.ts';
import { DISKS, type Site, VM, type World } from './world.ts';

const LOOK_MS = 100;
/** Transactions before a move and after it. */
const WORKS = 5;

export interface Moved {
  readonly faults: readonly string[];
  readonly transactions: number;
  readonly pauseMs: number | undefined;
}

/**
 * Moves the guest to the other site, while it works or, if it is `idle`, while it rests with its disks unmounted; then judges what the
 * source's files hold against the receipts, what the guest acknowledged against its disks, and an idle guest's disks at both
 * sides against each other.
 */
export async function move(world: World, seed: number, { idle }: { idle: boolean }): Promise<Moved> {
  const before = acknowledged(await world.said());
  await world.until((said) => acknowledged(said) >= before + WORKS);
  if (idle) await world.tell('rest', /^rest \d+/gm);
  const from = world.tops;
  const folder = path.join(world.work, world.site);
  const to: Site = world.site === 'a' ? 'b' : 'a';
  const { id, pauseMs, error } = await migrate(world, to);
  if (error !== undefined) return { faults: [error], transactions: before, pauseMs };
  const receipt = await receiptOf(world, id);
  await comeTo(world, to, receipt);
  const faults = await differences(from, folder, receipt);
  if (idle) {
    for (const disk of DISKS) faults.push(...(await compared(disk, from[disk], world.tops[disk])));
    await world.tell('go', /^go \d+/gm);
  }
  for (const disk of DISKS) await rm(from[disk]);
  const moved = acknowledged(await world.said());
  await world.until((said) => acknowledged(said) >= moved + WORKS);
  await world.tell('rest', /^rest \d+/gm);
  const said = await world.said();
  faults.push(...(await faultsOf({ seed, said, ...world.tops, folder: world.work })));
  await world.tell('go', /^go \d+/gm);
  return { faults, transactions: acknowledged(said), pauseMs };
}

async function migrate({ client }: World, to: Site) {
  const request = toHex(systemRandom.bytes(16));
  const body = { request_id: request, vms: [VM], to: `${to}/h1`, mode: 'live' as const };
  const { id } = await client.call('createMigration', { body });
  for (;;) {
    const view = await client.call('getMigration', { params: { migration: id } });
    if (hasEnded(view.state)) {
      const why = view.error ?? view.vms[0]?.error;
      const error = view.state === 'committed' ? undefined : `${id} ${view.state}: ${why?.code} ${why?.message}`;
      return { id, error, pauseMs: view.vms[0]?.live?.blackout?.total_ms };
    }
    await systemClock.sleep(LOOK_MS);
  }
}

async function receiptOf({ client }: World, migration: string): Promise<Receipt> {
  const { vms } = await client.call('getReceipts', { params: { migration } });
  return vms[0]!.destination!;
}

/** Where the guest is now is noted by the agent that it came to. */
async function comeTo(world: World, site: Site, receipt: Receipt): Promise<void> {
  const images = path.join(world.work, site);
  const [vm] = await new RunningVms(path.join(world.work, `${site}-state`, 'running'), images).all();
  const tops = Object.fromEntries(vm!.disks.map(({ disk, top }) => [disk, top])) as World['tops'];
  for (const { disk, layers } of disksOf(receipt.layers)) {
    if (path.basename(tops[disk as keyof World['tops']]) !== layers.at(-1)!.name)
      throw new Error(`${disk} is noted as ${tops[disk as keyof World['tops']]}, not as the receipt says`);
  }
  world.arrived(site, tops, vm!.qmp!);
}

/** Layers of the stopped source's files that are not as the receipt of the destination says. */
async function differences(tops: World['tops'], imageFolder: string, receipt: Receipt): Promise<string[]> {
  const faults: string[] = [];
  for (const { disk, layers } of disksOf(receipt.layers)) {
    const chain = await openChain(tops[disk as keyof World['tops']], { imageFolder });
    try {
      const expected = { chunkBytes: receipt.chunkBytes, layers };
      for await (const layer of verifyChain(chain, expected, new AbortController().signal)) {
        if (layer.found !== layer.expected) faults.push(`${disk}: ${layer.name} differs from the receipt`);
      }
    } finally {
      await chain.close();
    }
  }
  return faults;
}

async function compared(disk: string, source: string, destination: string): Promise<string[]> {
  return promisify(execFile)('qemu-img', ['compare', '-U', source, destination]).then(
    () => [],
    ({ stdout }: { stdout: string }) => [`qemu-img compare: ${disk} differs: ${stdout.trim()}`],
  );
}
