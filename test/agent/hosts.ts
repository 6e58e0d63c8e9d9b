import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { threadedZstd } from '../../adapters/system/zstd.ts';
import { type Agent, startAgent } from '../../agent/agent.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { DEFAULT_NAMESPACE } from '../../core/api/names.ts';
import type { Files, OpenFile } from '../../core/files.ts';
import { expectSame, readAll } from '../disk/support.ts';
import { createLocalCloud, type LocalCloud } from './local-cloud.ts';
import { eachFolder, hastyClock, keptLog } from './support.ts';

type Site = 'a' | 'b' | 'c';

/**
 * For each test a cloud, and hosts a/h1 and b/h1 (and c/h1, for who wants a third) with a folder each. Agents that a test leaves
 * running are stopped; then they have closed all their files. `files` stand for the machine's own.
 */
export function twoHosts() {
  const folder = eachFolder();
  const log = keptLog();
  let cloud: LocalCloud;
  let agents: Agent[] = [];
  /** The paths of files that are open. */
  const open = new Map<OpenFile, string>();

  beforeEach(() => {
    cloud = createLocalCloud();
    log.lines.length = 0;
    open.clear();
    for (const site of ['a', 'b', 'c']) mkdirSync(folder.at(site));
  });
  afterEach(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    agents = [];
    expect(cloud.errors).toEqual([]);
    expect([...open.values()]).toEqual([]);
  });

  async function start(
    site: Site,
    vms?: Record<string, string>,
    namespace = DEFAULT_NAMESPACE,
    files: Files = systemFiles,
  ): Promise<Agent> {
    const agent = await startAgent({
      site,
      host: 'h1',
      namespace,
      imageFolder: folder.at(site),
      api: cloud.apiOf(namespace),
      clock: hastyClock,
      random: systemRandom,
      objectStore: ({ renew }) => {
        const rights = renew();
        rights.catch(() => undefined);
        const { objects } = cloud.ports;
        return {
          put: (key, parts) => rights.then(() => objects.put(key, parts)),
          get: (key, part) => rights.then(() => objects.get(key, part)),
          tail: (key, bytes) => rights.then(() => objects.tail(key, bytes)),
          close: () => undefined,
        };
      },
      log,
      machine: { files: watched(files, open), pool: new ChunkPool({ workers: 1 }), zstd: threadedZstd },
      ...(vms === undefined ? {} : { vms }),
    });
    agents.push(agent);
    return {
      async stop() {
        agents = agents.filter((each) => each !== agent);
        await agent.stop();
      },
    };
  }

  return { at: folder.at, log, start, cloud: () => cloud };
}

/** The same files, of which `open` has those that are open. */
function watched(files: Files, open: Map<OpenFile, string>): Files {
  return {
    ...files,
    async open(path, how) {
      const file = await files.open(path, how);
      const close = file.close.bind(file);
      open.set(file, path);
      file.close = () => {
        open.delete(file);
        return close();
      };
      return file;
    },
  };
}

/** Both chains are of like images and hold the same for the guest, layer by layer. */
export async function expectEqual(top: string, arrived: string): Promise<void> {
  const before = await openChain(top, { imageFolder: tmpdir() });
  const after = await openChain(arrived, { imageFolder: tmpdir() });
  try {
    expect(after.layers).toHaveLength(before.layers.length);
    for (const [depth, layer] of before.layers.entries()) {
      const other = after.layers[depth]!;
      expectSame(await readAll(other), await readAll(layer));
      const { format, clusterBytes, qcow2 } = layer;
      const container = { format, clusterBytes, ...(qcow2 === undefined ? {} : { qcow2: { version: qcow2.version } }) };
      expect(other).toMatchObject(container);
    }
  } finally {
    await before.close();
    await after.close();
  }
}
