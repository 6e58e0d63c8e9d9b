import { describe, expect, it } from 'vitest';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { type Options, simulate } from './simulate.ts';
import type { Ports } from './world/cloud.ts';

const SEEDS = 400;

/** Whether a fault that was planted makes the judges shout this rule, in one of the first seeds. */
async function shouts(options: Options, rule: string): Promise<boolean> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = await simulate(seed, options);
    if (violations.some((each) => each.startsWith(`${rule}:`))) return true;
  }
  return false;
}

/** A store that says it has a pack some calls before it does. */
function storesLate(ports: Ports): Ports {
  const held: { calls: number; store: () => Promise<unknown> }[] = [];
  const { objects } = ports;
  return {
    ...ports,
    objects: {
      ...objects,
      async put(key, parts) {
        for (const each of held) each.calls--;
        for (const due of held.splice(0, held.filter((each) => each.calls <= 0).length)) await due.store();
        if (!key.includes('/packs/')) return await objects.put(key, parts);
        held.push({ calls: 3, store: () => objects.put(key, parts) });
        return 'written';
      },
    },
  };
}

function neverReleases(ports: Ports): Ports {
  return { ...ports, vms: { ...ports.vms, release: async () => undefined } };
}

/** Objects that come into use when their grace is nearly over, and stay marked as if they had not. */
function forgetsUses(ports: Ports): Ports {
  const { idle } = ports;
  let latestMs = 0;
  return {
    ...ports,
    idle: {
      ...idle,
      async mark(namespace, kind, id, sinceMs) {
        latestMs = Math.max(latestMs, sinceMs);
        await idle.mark(namespace, kind, id, sinceMs);
      },
      async clear(namespace, kind, id, mark) {
        return latestMs - mark.sinceMs >= limits.garbage_grace_ms || (await idle.clear(namespace, kind, id, mark));
      },
    },
  };
}

/** A file system that says bytes are on disk when they are not. */
function withoutSync(files: Files): Files {
  return { ...files, open: async (path, how) => ({ ...(await files.open(path, how)), sync: async () => undefined }) };
}

function withoutSyncOfNames(files: Files): Files {
  return { ...files, syncFolder: async () => undefined };
}

/** A file system that loses half of an image as it gets its name. */
function forgetsTheEnd(files: Files): Files {
  return {
    ...files,
    rename: async (from, to) => {
      if (from.endsWith('.partial')) await cut(files, from);
      await files.rename(from, to);
    },
  };
}

async function cut(files: Files, path: string): Promise<void> {
  const bytes = await files.readFile(path);
  const file = await files.open(path, 'replace');
  await file.write(bytes.subarray(0, bytes.length / 2), 0);
  await file.close();
}

describe('the judges of the simulation shout when', () => {
  it.each([
    ['packs are promised before they are stored', { breakPorts: storesLate }, 'order'],
    ['leases are not given back', { breakPorts: neverReleases }, 'lease'],
    ['garbage collection does not hear of uses', { breakPorts: forgetsUses }, 'garbage'],
    ['bytes are not on disk when a VM is committed', { breakFiles: withoutSync }, 'commit'],
    ['a name is not on disk when a VM is committed', { breakFiles: withoutSyncOfNames }, 'commit'],
    ['an image gets its name and is not whole', { breakFiles: forgetsTheEnd }, 'names'],
  ])('%s', { timeout: 60_000 }, async (_, options, rule) => {
    expect(await shouts(options, rule)).toBe(true);
  });
});
