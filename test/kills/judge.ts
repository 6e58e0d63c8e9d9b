import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { openChain } from '../../agent/disk/chain.ts';
import { verifyChain } from '../../agent/verify/verify-chain.ts';
import { clientOf } from '../../bin/connection.ts';
import { hashesOf } from './hashes.ts';
import { itemsOf, remainsOf } from './remains.ts';
import type { World } from './world.ts';

const run = promisify(execFile);
const LOOK_EVERY_MS = 100;

export const hasQemuImg = ['/usr/bin', '/usr/local/bin', '/bin'].some((bin) => existsSync(`${bin}/qemu-img`));

/**
 * What is wrong after a migration of `vms` to b/h2 has committed; nothing if all is well. `before` are the source's files.
 * What is still being tidied up may take `withinMs`.
 */
export async function judge(
  world: World,
  vms: readonly string[],
  before: ReadonlyMap<string, string>,
  withinMs: number,
): Promise<string[]> {
  const left = await untilNothing(() => remainsOf(world), withinMs);
  const found = await Promise.all([
    sourceChanges(world, before),
    ...vms.map((vm) => ownership(world, vm)),
    ...vms.map((vm) => differences(world, vm)),
    receipts(world),
    strangers(world, before),
  ]);
  return [...left, ...found.flat()];
}

/** What `look` still finds after `withinMs`. */
export async function untilNothing(look: () => Promise<string[]>, withinMs: number): Promise<string[]> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found.length === 0 || performance.now() > endMs) return found;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function sourceChanges(world: World, before: ReadonlyMap<string, string>): Promise<string[]> {
  const now = await hashesOf(world.imagesOf('a'));
  const names = new Set([...before.keys(), ...now.keys()]);
  return [...names].filter((name) => before.get(name) !== now.get(name)).map((name) => `the source's ${name} changed`);
}

/** Files at the destination that are none of the source's. */
async function strangers(world: World, before: ReadonlyMap<string, string>): Promise<string[]> {
  const there = await hashesOf(world.imagesOf('b'));
  return [...there.keys()].filter((name) => !before.has(name)).map((name) => `${name} at the destination is nobody's`);
}

async function ownership(world: World, vm: string): Promise<string[]> {
  const items = await itemsOf(world);
  const owners = items.filter((item) => item.vm === vm && item.owner !== undefined);
  const isMoved = owners.length === 1 && owners[0]!.owner === 'b/h2' && Number(owners[0]!.epoch) >= 1;
  return isMoved ? [] : [`${vm} is owned by ${JSON.stringify(owners)}`];
}

async function differences(world: World, vm: string): Promise<string[]> {
  if (!hasQemuImg) return [];
  const [theirs, ours] = ['a', 'b'].map((site) => path.join(world.imagesOf(site), `${vm}.qcow2`));
  try {
    await run('qemu-img', ['check', '-q', ours!]);
    await run('qemu-img', ['compare', '-q', theirs!, ours!]);
    return [];
  } catch (error) {
    return [`${vm}: ${(error as Error).message}`];
  }
}

/** Reads every arrived chain again and holds it against both receipts. */
async function receipts(world: World): Promise<string[]> {
  const client = clientOf(world.operator);
  const wrong: string[] = [];
  const { migrations } = await client.call('listMigrations');
  for (const { id } of migrations.filter(({ state }) => state === 'committed')) {
    for (const { vm, agree, destination } of (await client.call('getReceipts', { params: { migration: id } })).vms) {
      if (!agree || destination === undefined) wrong.push(`${vm}: the receipts of ${id} do not agree`);
      else if (!(await holds(world, destination))) wrong.push(`${vm} is not as its receipt says`);
    }
  }
  return wrong;
}

async function holds(world: World, receipt: Parameters<typeof verifyChain>[1]): Promise<boolean> {
  const imageFolder = world.imagesOf('b');
  const chain = await openChain(path.join(imageFolder, receipt.layers.at(-1)!.name), { imageFolder });
  try {
    let equal = chain.layers.length === receipt.layers.length;
    const never = new AbortController().signal;
    for await (const { found, expected } of verifyChain(chain, receipt, never)) equal &&= found === expected;
    return equal;
  } finally {
    await chain.close();
  }
}
