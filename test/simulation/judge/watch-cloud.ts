import { isNone, toHex } from '../../../core/fingerprint.ts';
import { decodePlacement } from '../../../core/format/placement.ts';
import { decodeRoot, segmentIdAt } from '../../../core/format/root.ts';
import { DATA, decodeSegment } from '../../../core/format/segment.ts';
import { limits } from '../../../core/limits.ts';
import { hasEnded } from '../../../core/migration.ts';
import type { Ownership } from '../../../core/ports.ts';
import { contentDigest } from '../../../core/receipt.ts';
import type { Ports } from '../world/cloud.ts';
import type { Violations } from './violations.ts';
import { watchStore } from './watch-store.ts';

export interface Committed {
  readonly vm: string;
  readonly migration: string;
  readonly to: string;
}

/**
 * The cloud's ports, watched: who owns a VM, and that nothing is promised before it is there (pack → index → placement →
 * segment → root → round). `onCommit` hears of each change of an owner.
 */
export function watchCloud(ports: Ports, violations: Violations, onCommit: (committed: Committed) => void): Ports {
  const { objects, index, vms, migrations } = ports;
  const keys = new Map<string, Buffer>();
  const owners = new Map<string, { owner: string; epoch: number }>();
  const runners = new Map<string, string>();

  const scopeOf = (key: string) =>
    /^(.*)\/(packs|segments|placements|layers)\/../.exec(key)?.slice(1) as [string, string];
  const keyOf = (scope: string, kind: string, id: string) => `${scope}/${kind}/${id.slice(0, 2)}/${id}`;
  const isThere = (scope: string, kind: string, id: string) => keys.has(keyOf(scope, kind, id));
  /** Scopes in which what a stream or manifest names may lie. */
  const somewhere = (scope: string, kind: string, id: string) =>
    isThere(scope, kind, id) || isThere(scope.replace(/\/migrations\/.*/, ''), kind, id);

  /** What belongs to a migration that has ended: a late agent may write it, nobody reads it, the bucket lets it expire. */
  async function isLate(key: string): Promise<boolean> {
    const migration = /\/migrations\/([^/]+)\//.exec(key)?.[1];
    return migration !== undefined && (await isOver(migration));
  }

  async function isLeaving(segment: string): Promise<boolean> {
    const mark = (await ports.idle.find('default', 'segments', [segment])).get(segment);
    return mark?.removedMs !== undefined;
  }

  async function isOver(migration: string): Promise<boolean> {
    const record = await migrations.find(migration);
    return record !== undefined && hasEnded(record.state);
  }

  async function checkObject(key: string, bytes: Buffer): Promise<void> {
    const [scope, kind] = scopeOf(key);
    const id = key.split('/').at(-1)!;
    // Garbage collection may take what it rests on at this very moment: then its round is refused.
    if (scope === 'ns/default' && kind === 'segments' && (await isLeaving(id))) return;
    if (kind === 'placements') {
      for (const { pack } of decodePlacement(bytes).frames) {
        if (!somewhere(scope, 'packs', toHex(pack))) violations.note('order', `placement ${id} names an absent pack`);
      }
    } else if (kind === 'segments') {
      const segment = decodeSegment(bytes);
      if (segment.states.includes(DATA) && !isThere(scope, 'placements', id)) {
        violations.note('order', `segment ${id} has no placement`);
      }
    } else if (kind === 'layers') {
      const root = decodeRoot(bytes);
      for (let at = 0; at < root.geometry.segments; at++) {
        const segment = segmentIdAt(root, at);
        if (!isNone(segment) && !isThere(scope, 'segments', toHex(segment))) {
          violations.note('order', `root ${id} names an absent segment`);
        }
      }
    }
  }

  /** Of a migration's parties one only may be told that the VM is its own to run. */
  function told(vm: string, migration: string, { owner, epoch }: Ownership, whom: string, what: string): void {
    owners.set(vm, { owner, epoch });
    const other = runners.get(`${migration} ${vm}`) ?? whom;
    if (owner !== whom || other !== whom) violations.note('owner', `${whom} ${what}, ${vm}, and so does ${other}`);
    runners.set(`${migration} ${vm}`, whom);
  }

  const watched: Ports = {
    ...ports,
    objects: {
      ...objects,
      async put(key, parts) {
        const bytes = Buffer.concat(parts);
        if (scopeOf(key) === undefined) return await objects.put(key, parts);
        const late = await isLate(key);
        const known = keys.get(key);
        if (known !== undefined && !/\/placements\//.test(key) && !known.equals(bytes)) {
          violations.note('objects', `${key} was put with other bytes`);
        }
        if (!late) await checkObject(key, bytes);
        const outcome = await objects.put(key, parts);
        if (known === undefined) keys.set(key, bytes);
        return outcome;
      },
      async remove(gone) {
        for (const key of gone) {
          if (/\/migrations\//.test(key) && !(await isLate(key))) violations.note('removal', `${key} is still needed`);
          keys.delete(key);
        }
        await objects.remove(gone);
      },
    },
    index: {
      ...index,
      async add(namespace, hooks, pack) {
        if (!isThere(`ns/${namespace}`, 'packs', pack)) violations.note('order', `rows name the absent pack ${pack}`);
        return await index.add(namespace, hooks, pack);
      },
      async claim(namespace, batch, wanted, nowMs) {
        if (wanted.untilMs - nowMs > limits.claim_ms) violations.note('claims', `${batch} is claimed for too long`);
        return await index.claim(namespace, batch, wanted, nowMs);
      },
    },
    vms: {
      ...vms,
      async commit(namespace, vm, move) {
        const ownership = await vms.commit(namespace, vm, move);
        const before = owners.get(vm);
        const isNew = before === undefined || before.epoch !== ownership.epoch;
        if (ownership.owner !== move.to) violations.note('owner', `${vm} was committed to another than ${move.to}`);
        if (isNew && before !== undefined && ownership.epoch < before.epoch) {
          violations.note('owner', `${vm} went from epoch ${before.epoch} to ${ownership.epoch}`);
        }
        owners.set(vm, { owner: ownership.owner, epoch: ownership.epoch });
        if (isNew) {
          const record = (await migrations.vms(move.migration)).find((each) => each.name === vm);
          const { sourceReceipt, destinationReceipt } = record ?? {};
          const agree =
            sourceReceipt !== undefined &&
            destinationReceipt !== undefined &&
            contentDigest(sourceReceipt) === contentDigest(destinationReceipt);
          if (!agree) violations.note('receipts', `${vm} was committed before both sides agreed`);
          onCommit({ vm, migration: move.migration, to: move.to });
        }
        return ownership;
      },
      async run(namespace, vm, at) {
        const ownership = await vms.run(namespace, vm, at);
        told(vm, at.migration, ownership, at.owner, 'runs it');
        return ownership;
      },
      async reclaim(namespace, vm, back) {
        const ownership = await vms.reclaim(namespace, vm, back);
        told(vm, back.migration, ownership, back.source, 'has it back');
        return ownership;
      },
    },
    migrations: {
      ...migrations,
      async appendRound(migration, round) {
        if (await isOver(migration)) return await migrations.appendRound(migration, round);
        const scopes = ['ns/default', `ns/default/migrations/${migration}`];
        for (const { id } of round.segments) {
          if (!/^0+$/.test(id) && !scopes.some((scope) => isThere(scope, 'segments', id))) {
            violations.note('order', `a round of ${round.stream} names the absent segment ${id}`);
          }
        }
        const { layerId } = round;
        if (layerId !== undefined && !scopes.some((scope) => isThere(scope, 'layers', layerId))) {
          violations.note('order', `a round of ${round.stream} names the absent root ${layerId}`);
        }
        await migrations.appendRound(migration, round);
      },
    },
    layers: {
      ...ports.layers,
      async record(namespace, layer) {
        if (!isThere(`ns/${namespace}`, 'layers', layer.layerId))
          violations.note('order', `${layer.layerId} has no root`);
        await ports.layers.record(namespace, layer);
      },
    },
  };
  return watchStore(watched, keys, violations);
}
