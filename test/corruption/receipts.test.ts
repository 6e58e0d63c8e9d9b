import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { verifyChain } from '../../agent/verify/verify-chain.ts';
import type { Receipt } from '../../core/receipt.ts';
import { twoHosts } from '../agent/hosts.ts';
import { migrate } from '../agent/play.ts';
import { filesIn, type LayerSpec, writeChain } from '../agent/support.ts';
import { noise } from '../disk/support.ts';
import { Random } from '../fuzz/random.ts';
import { flip, SEED } from './damage.ts';

/** What proves a move, and what it proves. */
const hosts = twoHosts();
const KiB = 1024;
const CHAIN: LayerSpec[] = [
  { name: 'os.qcow2', patches: [{ at: 0, length: 256 * KiB, seed: 1 }] },
  { name: 'we.qcow2', patches: [{ at: 512 * KiB, length: 128 * KiB, seed: 2 }] },
  { name: 'web-1.qcow2', patches: [{ at: 1024 * KiB, length: 128 * KiB, seed: 3 }] },
];
const CHUNK = 16 * KiB;

beforeEach(async () => {
  await writeChain(hosts.at('a'), CHAIN);
  await hosts.start('a');
  await hosts.start('b');
});
const start = () => migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1', chunk_bytes: CHUNK });

describe(`seed ${SEED}`, () => {
  it('a stored receipt that is damaged commits nothing: the source keeps the VM', async () => {
    const { ports, hooks } = hosts.cloud();
    const random = new Random(SEED, 1);
    let damaged = 0;
    const { id, ended } = await start();
    hooks.before = async ({ path: called }) => {
      if (!called.endsWith('/commit') || damaged++ > 0) return;
      const [vm] = await ports.migrations.vms(id);
      const receipt = vm!.destinationReceipt!;
      const at = random.below(receipt.layers.length);
      const layers = receipt.layers.map((layer, depth) => {
        return depth === at ? { ...layer, layerId: flipHex(layer.layerId, random) } : layer;
      });
      await ports.migrations.updateVm(id, vm!, { destinationReceipt: { ...receipt, layers } });
    };
    const view = await ended;
    expect(view.state, `seed ${SEED}`).toBe('failed');
    expect(view.vms[0]?.error).toMatchObject({
      code: 'RECEIPTS_DIFFER',
      data: { layer: expect.stringContaining('.qcow2') },
    });
    expect((await ports.vms.find('default', 'web-1'))?.owner).toBe('a/h1');
    await expect.poll(() => filesIn(hosts.at('b')).filter((name) => name.startsWith('web-1'))).toEqual([]);
  });

  it('verify names the one layer, and of a base layer the chunk, of a single flipped bit', async () => {
    const { id, ended } = await start();
    expect((await ended).state).toBe('committed');
    const { vms } = await hosts.cloud().api.call('getReceipts', { params: { migration: id } });
    const receipt = vms[0]!.destination!;
    const images = hosts.at('b');
    expect(await verified(receipt, images)).toEqual([{}, {}, {}]);
    const random = new Random(SEED, 2);
    for (const [depth, { name, patches }] of CHAIN.entries()) {
      const file = path.join(images, name);
      const whole = readFileSync(file);
      const { at, length, seed } = patches[0]!;
      const guest = at + random.below(length);
      writeFileSync(file, flip(whole, 8 * (whole.indexOf(noise(length, seed!).subarray(0, 64)) + guest - at)));
      const chunk = Math.floor(guest / CHUNK);
      const expected: object[] = [{}, {}, {}];
      expected[depth] = depth < 2 ? { differs: name, chunk } : { differs: name };
      expect(await verified(receipt, images), `seed ${SEED}, guest byte ${guest}`).toEqual(expected);
      writeFileSync(file, whole);
    }
  });

  async function verified(receipt: Receipt, images: string) {
    const known = new ManifestStore(path.join(images, '.layermover', 'manifests'));
    const chain = await openChain(path.join(images, 'web-1.qcow2'), { imageFolder: images });
    const told = [];
    try {
      for await (const layer of verifyChain(chain, receipt, new AbortController().signal, known)) {
        const { name, expected, found, chunk } = layer;
        told.push(expected === found ? {} : { differs: name, ...(chunk === undefined ? {} : { chunk }) });
      }
    } finally {
      await chain.close();
    }
    return told;
  }
});

function flipHex(hex: string, random: Random): string {
  return flip(Buffer.from(hex, 'hex'), random.below(256)).toString('hex');
}
