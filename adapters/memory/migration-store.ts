import type { MigrationStore } from '../../core/ports.ts';
import type { MigrationRecord, Round, StreamRecord, VmRecord } from '../../core/records.ts';
import { plain } from '../rules/plain.ts';
import { migrationUnknown, vmUnknown } from '../rules/refusals.ts';

interface Parts {
  readonly vms: Map<string, VmRecord>;
  readonly streams: Map<string, StreamRecord>;
  readonly rounds: Map<string, Round>;
}

/** Migrations, their VMs, streams and rounds in memory. */
export function createMemoryMigrationStore(): MigrationStore {
  const records = new Map<string, MigrationRecord>();
  const parts = new Map<string, Parts>();

  function partsOf(id: string): Parts {
    const known = parts.get(id) ?? { vms: new Map(), streams: new Map(), rounds: new Map() };
    parts.set(id, known);
    return known;
  }

  return {
    async create(migration) {
      const known = records.get(migration.id) ?? plain(migration);
      records.set(migration.id, known);
      return plain(known);
    },
    async find(id) {
      const known = records.get(id);
      return known && plain(known);
    },
    async list(namespace, limit, after) {
      const ours = [...records.values()].filter((each) => each.namespace === namespace);
      const listed = ours.filter((each) => each.registration === undefined).sort(newestFirst);
      const at = after === undefined ? -1 : listed.findIndex((each) => each.id === after);
      if (after !== undefined && at < 0) throw migrationUnknown(after);
      return listed.slice(at + 1, at + 1 + limit).map(plain);
    },
    async update({ id, run }, from, change) {
      const known = records.get(id);
      if (known === undefined || known.run !== run || !from.includes(known.state)) return false;
      records.set(id, plain({ ...known, ...change }));
      return true;
    },
    async putVm(id, vm) {
      partsOf(id).vms.set(vm.name, plain(vm));
    },
    async updateVm(id, { name, run }, change) {
      const known = partsOf(id).vms.get(name);
      if (known?.run !== run) throw vmUnknown(id, name, run);
      partsOf(id).vms.set(name, plain({ ...known, ...change }));
    },
    async startVm(id, { name, run }) {
      const known = partsOf(id).vms.get(name);
      if (known?.run === run && known.state === 'waiting') partsOf(id).vms.set(name, { ...known, state: 'moving' });
    },
    async vms(id) {
      return inOrder(partsOf(id).vms);
    },
    async putStream(id, stream) {
      partsOf(id).streams.set(`${stream.stream}#${stream.side}`, plain(stream));
    },
    async streams(id) {
      return inOrder(partsOf(id).streams);
    },
    async appendRound(id, round) {
      const { rounds } = partsOf(id);
      const key = `${round.stream}#${round.cursor}`;
      if (!rounds.has(key)) rounds.set(key, plain(round));
    },
    async rounds(id, stream, limit, after = '') {
      const rounds = inOrder(partsOf(id).rounds);
      return rounds.filter((round) => round.stream === stream && round.cursor > after).slice(0, limit);
    },
    async lastRound(id, stream) {
      return inOrder(partsOf(id).rounds).findLast((round) => round.stream === stream);
    },
  };
}

function newestFirst(a: MigrationRecord, b: MigrationRecord): number {
  return b.createdMs - a.createdMs || (a.id < b.id ? 1 : -1);
}

function inOrder<T>(byKey: ReadonlyMap<string, T>): T[] {
  const entries = [...byKey].sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([, value]) => plain(value));
}
