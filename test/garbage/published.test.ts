import { expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import type { MarkedKind } from '../../core/ports.ts';
import { twoHosts } from '../agent/hosts.ts';
import { migrate, register } from '../agent/play.ts';
import { type LayerSpec, writeChain } from '../agent/support.ts';
import { collect } from './support.ts';

/** What is published is garbage when nobody publishes it any more, and nobody who was promised it still needs it. */
const hosts = twoHosts();
const MiB = 1024 * 1024;
const os: LayerSpec = { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] };
const ud: LayerSpec = { name: 'db-1.qcow2', patches: [{ at: 2 * MiB, length: MiB / 2, seed: 3 }] };
const published = () => hosts.cloud().ports.objects.list('ns/public/', 1000);
const collectPublic = () => collect(hosts.cloud().ports, { namespace: 'public' });

/** Makes as if what nothing needs had waited for its grace. */
async function age(): Promise<void> {
  const { idle } = hosts.cloud().ports;
  const longAgo = Date.now() - limits.garbage_grace_ms - 1000;
  for (const key of await published()) {
    const [, , folder, , id] = key.split('/') as [string, string, string, string, string];
    const kind = (folder === 'placements' ? 'segments' : folder) as MarkedKind;
    const mark = (await idle.find('public', kind, [id])).get(id);
    if (mark === undefined) continue;
    await idle.clear('public', kind, id, mark);
    await idle.mark('public', kind, id, longAgo);
  }
}

it('stays while it is published, and as long as a migration of any namespace may rely on it, then goes', async () => {
  await writeChain(hosts.at('a'), [os]);
  await hosts.start('a');
  const { layers } = await register(hosts.cloud(), { files: ['os.qcow2'], kind: 'os', publish: true });
  const before = await published();
  await collectPublic();
  await age();
  expect((await collectPublic()).counts).toMatchObject({
    layersKept: 1,
    objects: { packs: { removed: { objects: 0 } } },
  });
  expect(await published()).toEqual(before);

  // A collection of a namespace's own touches nothing of it, and knows no record of it.
  expect((await collect(hosts.cloud().ports)).counts).toMatchObject({ layersKept: 0 });
  expect(await published()).toEqual(before);

  // A migration elsewhere is planned to take it from there; then it is withdrawn.
  await writeChain(hosts.at('b'), [os, ud]);
  await hosts.start('b', undefined, 'other');
  await hosts.start('c', undefined, 'other');
  let withdrawn = false;
  hosts.cloud().hooks.before = async ({ method, path }) => {
    if (withdrawn || method !== 'POST' || !/fetch.*\/grant$/.test(decodeURIComponent(path))) return;
    withdrawn = true;
    const params = { layer: layers[0]!.layer_id };
    await hosts.cloud().api.call('withdrawLayer', { params, body: { published: true } });
    await collectPublic();
  };
  const moved = await (await migrate(hosts.cloud(), { vms: ['db-1'], to: 'c/h1' }, 'other')).ended;
  expect(withdrawn).toBe(true);
  expect(moved).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
  expect(await published()).toEqual(before);

  await age();
  await collectPublic();
  expect(await published()).toEqual([]);
  expect((await hosts.cloud().ports.index.rows('public', 0, 1)).size).toBe(0);
});
