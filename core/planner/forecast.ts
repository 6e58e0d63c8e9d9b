import { type Cost, costOfMigration } from './dollars.ts';
import { migrationMs, type Sending, type SharedLayer, split, type TopLayer } from './gang.ts';

/** What a migration as a whole is expected to take. */
export interface Forecast {
  readonly milliseconds: number;
  readonly wireBytes: number;
  readonly pulledBytes: number;
  readonly costs: readonly Cost[];
  /** The same VMs moved one after the other: each finds at the destination what those before it brought. */
  readonly oneByOne: { readonly milliseconds: number; readonly wireBytes: number };
  /** The same VMs each moved as if none of the others were. */
  readonly eachAlone: { readonly milliseconds: number; readonly wireBytes: number };
}

interface Gang {
  readonly bases: readonly SharedLayer[];
  readonly tops: readonly TopLayer[];
  readonly chunkBytes: number;
}

export function forecastOf({ bases, tops, chunkBytes }: Gang): Forecast & { readonly sending: readonly Sending[] } {
  const sending = split(bases);
  const predictions = [...bases, ...tops].map(({ prediction }) => prediction);
  const milliseconds = migrationMs(sending, tops);
  const hosts = new Set(tops.map(({ host }) => host)).size + 1;
  // A VM of several disks has a top layer for each.
  const vms = new Set(tops.map(({ vm }) => vm)).size;
  return {
    sending,
    milliseconds,
    wireBytes: sum(predictions, ({ wireBytes }) => wireBytes),
    pulledBytes: sum(predictions, ({ pulledBytes }) => pulledBytes),
    costs: costOfMigration(predictions, { vms, hosts, chunkBytes, milliseconds }),
    oneByOne: together(tops.map((top, at) => ofOne(top, bases, tops.slice(0, at)))),
    eachAlone: together(tops.map((top) => ofOne(alone(top), bases.map(alone), []))),
  };
}

/** The same layer if no other VM's brought any of its chunks. */
function alone<T extends SharedLayer | TopLayer>(layer: T): T {
  return { ...layer, prediction: layer.alone ?? layer.prediction };
}

/** A VM moved by itself, once `before` are there. */
function ofOne(top: TopLayer, bases: readonly SharedLayer[], before: readonly TopLayer[]) {
  const there = new Set(before.map(({ vm }) => vm));
  const isBrought = ({ vms }: SharedLayer) => vms.some(({ name }) => there.has(name));
  const own = bases
    .filter((base) => base.vms.some(({ name }) => name === top.vm) && !isBrought(base))
    .map((base) => ({ ...base, host: top.host }));
  return {
    milliseconds: migrationMs(own, [top]),
    wireBytes: sum([...own, top], ({ prediction }) => prediction.wireBytes),
  };
}

function together(ones: readonly { readonly milliseconds: number; readonly wireBytes: number }[]) {
  return { milliseconds: sum(ones, (one) => one.milliseconds), wireBytes: sum(ones, (one) => one.wireBytes) };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
}
