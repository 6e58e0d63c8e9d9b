import { expect } from 'vitest';
import type { ApiClient } from '../../adapters/api/client.ts';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { DamagedObject, RebuildAnswer, RebuildCounts } from '../../core/api/rebuild.ts';
import { isNone, toHex } from '../../core/fingerprint.ts';
import { namespaceScope, type ObjectKind, objectKey } from '../../core/format/keys.ts';
import { decodePlacement } from '../../core/format/placement.ts';
import { decodeRoot, segmentIdAt } from '../../core/format/root.ts';
import { DATA, decodeSegment } from '../../core/format/segment.ts';
import type { ObjectJanitor } from '../../core/ports.ts';
import { readFooter } from '../../functions/packs/read-footer.ts';

export const SCOPE = namespaceScope('default');
const ALL = 10_000;
export const WHOLE = { bytesMax: 64 * 1024 * 1024 };

/** Ids of the namespace's objects of one kind. */
export async function idsOf(objects: ObjectJanitor, kind: ObjectKind): Promise<string[]> {
  const keys = await objects.list(`${SCOPE}/${kind}/`, ALL);
  return keys.map((key) => key.slice(-64));
}

export function read(objects: ObjectJanitor, kind: ObjectKind, id: string): Promise<Uint8Array> {
  return objects.get(objectKey(SCOPE, kind, id), WHOLE);
}

/** Changes an object behind everybody's back, as failing hardware does. */
export async function damage(objects: ObjectJanitor, key: string, change: (bytes: Buffer) => Uint8Array) {
  const bytes = Buffer.from(await objects.get(key, WHOLE));
  await objects.remove([key]);
  await objects.put(key, [change(bytes)]);
}

export function flipped(bytes: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** A rebuild from its first page to its last. */
export async function rebuild(
  api: ApiClient,
  check: boolean,
): Promise<{ counts: RebuildCounts; damaged: DamagedObject[]; pages: number }> {
  const all = { counts: {} as Record<string, number>, damaged: [] as DamagedObject[], pages: 0 };
  for (let next: RebuildAnswer['next'] = { phase: 'packs' }; next !== undefined; ) {
    const {
      damaged,
      next: more,
      ...counts
    }: RebuildAnswer = await api.call('rebuildIndex', { body: { ...next, check } });
    for (const [name, count] of Object.entries(counts)) all.counts[name] = (all.counts[name] ?? 0) + count;
    all.damaged.push(...damaged);
    all.pages++;
    expect(more, 'it goes on').not.toEqual(next);
    next = more;
  }
  return all as typeof all & { counts: RebuildCounts };
}

/** Nothing that the cloud has names what is not there: from rows and records down to packs. */
export async function expectKept({ objects, index, layers }: CloudPorts): Promise<void> {
  const there = new Map<ObjectKind, Set<string>>();
  for (const kind of ['packs', 'placements', 'segments', 'layers'] as const) {
    there.set(kind, new Set(await idsOf(objects, kind)));
  }
  const has = (kind: ObjectKind, id: string) => expect(there.get(kind), `${kind} ${id}`).toContain(id);
  const rows = await index.rows('default', 0, 1);
  for (const pack of new Set(rows.values())) {
    has('packs', pack);
    await readFooter(objects, 'default', pack);
  }
  for (const { layerId } of await layers.list('default', ALL)) has('layers', layerId);
  for (const id of there.get('layers')!) {
    const root = decodeRoot(await read(objects, 'layers', id));
    for (let at = 0; at < root.geometry.segments; at++) {
      const segment = segmentIdAt(root, at);
      if (!isNone(segment)) has('segments', toHex(segment));
    }
  }
  for (const id of there.get('segments')!) {
    if (decodeSegment(await read(objects, 'segments', id)).count(DATA) > 0) has('placements', id);
  }
  for (const id of there.get('placements')!) {
    for (const { pack } of decodePlacement(await read(objects, 'placements', id)).frames) has('packs', toHex(pack));
  }
  expect(await index.condemned('default', [...there.get('packs')!])).toEqual(new Set());
}
