import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Outbox } from '../../agent/push/outbox.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { expectKept } from '../rebuild/support.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { writeChain } from './support.ts';

/** A push relies on packs that another one of its agent is sending, and these never come. */
const hosts = twoHosts();
const KiB = 1024;
const CHUNK = 16 * KiB;
const SHARED = { at: 0, length: 256 * KiB, seed: 1 };
const PATIENCE_MS = 10_000;

/** The base layers of both VMs hold the same for a part. */
beforeEach(async () => {
  for (const [at, vm] of ['web-1', 'web-2'].entries())
    await writeChain(hosts.at('a'), [
      { name: `os-${vm}.qcow2`, patches: [SHARED, { at: 512 * KiB, length: 64 * KiB, seed: 10 + at }] },
      { name: `${vm}.qcow2`, patches: [{ at: 1024 * KiB, length: 64 * KiB, seed: 20 + at }] },
    ]);
  for (const site of ['a', 'b'] as const) await hosts.start(site);
});
afterEach(() => vi.restoreAllMocks());

const move = (vm: string) => migrate(hosts.cloud(), { vms: [vm], to: 'b/h1', policy: 'kind', chunk_bytes: CHUNK });
const sentAnew = () => hosts.log.lines.filter(({ message }) => message.endsWith('it is sent anew'));

/** Calls `work` before a batch of fingerprints is answered. */
function onQuestion(work: () => void): void {
  hosts.cloud().hooks.before = ({ path }) => {
    if (path.endsWith('/fingerprints')) work();
  };
}

/** The store never answers to the first pack. Tells once that has been put. */
function loseFirstPack(): Promise<void> {
  const { objects } = hosts.cloud().ports;
  const put = objects.put.bind(objects);
  const begun = Promise.withResolvers<void>();
  let packs = 0;
  objects.put = async (key, parts) => {
    if (key.includes('/packs/') && packs++ === 0) {
      begun.resolve();
      await new Promise(() => undefined);
    }
    return put(key, parts);
  };
  return begun.promise;
}

describe('a layer whose push relied on another one', () => {
  it('is sent anew as that one’s migration is aborted, and arrives whole', async () => {
    const begun = loseFirstPack();
    const first = await move('web-1');
    await begun;
    const asked = Promise.withResolvers<void>();
    onQuestion(asked.resolve);
    const second = await move('web-2');
    await asked.promise;
    await hosts.cloud().api.call('abortMigration', { params: { migration: first.id } });
    const ended = await second.ended;
    expect(ended.state, JSON.stringify(ended.error)).toBe('committed');
    expect(sentAnew().map(({ fields }) => fields.layer)).toEqual(['os-web-2.qcow2']);
    await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('b', 'web-2.qcow2'));
    await expectKept(hosts.cloud().ports);
    expect(await first.ended).toMatchObject({ state: 'aborted' });
    // What it holds is found by whoever comes next, too.
    const again = await (await move('web-1')).ended;
    expect(again).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    expect(again.vms[0]!.layers[0]!.deduped_bytes).toBe(SHARED.length);
  });

  it('is not sent for ever: its migration fails, can be resumed, and keeps no memory for packs', async () => {
    const { underway } = Outbox.prototype;
    const chunk = toHex(sha256(noise(SHARED.length, SHARED.seed).subarray(0, CHUNK)));
    const frame = { scope: 'namespace', pack: sha256(Buffer.from('lost')), offset: 0, frameBytes: 9, rawBytes: CHUNK };
    const place = { frame: frame as never, rawOffset: 0 };
    const placeOf = (fingerprint: string) => (fingerprint === chunk ? place : undefined);
    const outboxes: Outbox[] = [];
    let lose = () => {};
    // At each attempt there is such a pack on its way, until that attempt has asked.
    vi.spyOn(Outbox.prototype, 'underway').mockImplementation(function (this: Outbox, store) {
      const announced = Promise.withResolvers<void>();
      lose = () => announced.reject(new Error('lost'));
      const found = underway.call(this, store);
      found.add({ placeOf, announced: announced.promise });
      outboxes.push(this);
      return found;
    });
    onQuestion(() => lose());
    const { ended } = await move('web-1');
    const error = { code: 'PACK_NOT_STORED', hint: expect.stringContaining('layermover resume') };
    expect(await ended).toMatchObject({ state: 'failed', error });
    expect(outboxes).toHaveLength(limits.leaving_attempts_max);
    expect(sentAnew()).toHaveLength(limits.leaving_attempts_max - 1);
    await outboxes[0]!.memory.take(limits.pack_memory_bytes, AbortSignal.timeout(PATIENCE_MS));
    outboxes[0]!.memory.give(limits.pack_memory_bytes);
    vi.restoreAllMocks();
    expect(await (await move('web-1')).ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
  });
});
