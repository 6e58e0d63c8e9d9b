import { limits } from '../limits.ts';
import type { Prediction } from './predict.ts';

/** A base layer that a gang brings and that must reach the destination: once, whoever sends it. */
export interface SharedLayer {
  readonly stream: string;
  /** The VMs that can't go before it is there, each with its host. */
  readonly vms: readonly { readonly name: string; readonly host: string }[];
  readonly prediction: Prediction;
  /** If nothing was moved but this layer and those that it lies on; as `prediction` unless set. */
  readonly alone?: Prediction;
}

/** Who sends a layer. */
export interface Sending extends SharedLayer {
  readonly host: string;
}

/**
 * Splits base layers among the hosts that have them, and leaves them in their order. What takes longest is given first, each
 * time to the host with the least to do (Graham, *Bounds on Multiprocessing Timing Anomalies*, 1969: never more than a third
 * longer than the best split, where every host has every layer).
 */
export function split(layers: readonly SharedLayer[]): Sending[] {
  const load = new Map<string, number>();
  const sender = new Map<string, string>();
  const loadOf = (host: string) => load.get(host) ?? 0;
  for (const { stream, vms, prediction } of [...layers].sort((a, b) => b.prediction.sourceMs - a.prediction.sourceMs)) {
    const host = vms.map((vm) => vm.host).reduce((least, each) => (loadOf(each) < loadOf(least) ? each : least));
    sender.set(stream, host);
    load.set(host, loadOf(host) + prediction.sourceMs);
  }
  return layers.map((layer) => ({ ...layer, host: sender.get(layer.stream)! }));
}

/** A VM's own layer, which goes once its bases have gone. */
export interface TopLayer {
  readonly vm: string;
  readonly host: string;
  /** What a running VM's rounds after the first take: the destination has to have that one before. */
  readonly laterMs?: number;
  readonly prediction: Prediction;
  /** As of a shared layer. */
  readonly alone?: Prediction;
}

/**
 * Milliseconds that a migration takes: what it takes besides its copies; then hosts send base layers, each its own one after the
 * other, and then the VMs' own ones. The destination fetches base layers in their order beside that, and then, if not before,
 * the VMs' own, `limits.pulls_at_once` at a time.
 */
export function migrationMs(bases: readonly Sending[], tops: readonly TopLayer[]): number {
  const sent = ofBusiest(bases, ({ prediction }) => prediction.sourceMs) + longest(tops);
  const fetched = Math.max(longest(bases), arrival(bases, 1));
  const begun = fetched === 0 ? 0 : fetched + limits.layer_fixed_ms;
  const arrived = begun + arrival(tops, limits.pulls_at_once);
  const later = ofBusiest(tops, ({ laterMs = 0 }) => laterMs);
  return limits.migration_fixed_ms + Math.max(sent, arrived) + later;
}

type Placed = Pick<Sending, 'host' | 'prediction'>;

/** The most that any host's layers come to. */
function ofBusiest<T extends Placed>(layers: readonly T[], milliseconds: (layer: T) => number): number {
  const byHost = [...Map.groupBy(layers, ({ host }) => host).values()];
  return Math.max(0, ...byHost.map((own) => own.reduce((sum, layer) => sum + milliseconds(layer), 0)));
}

/** The last layer of a host is still on its way when the host is done with it. */
function longest(layers: readonly Placed[]): number {
  const ofHost = (own: readonly Placed[]) => {
    const last = own.at(-1)!.prediction;
    return own.reduce((sum, { prediction }) => sum + prediction.sourceMs, last.milliseconds - last.sourceMs);
  };
  return Math.max(0, ...[...Map.groupBy(layers, ({ host }) => host).values()].map(ofHost));
}

function arrival(layers: readonly Placed[], atOnce: number): number {
  const down = layers.reduce((sum, { prediction: { stages } }) => sum + Math.max(stages.down, stages.unpack), 0);
  const readBack = layers.reduce((sum, { prediction }) => sum + prediction.stages.readBack, 0);
  return down + readBack / Math.min(atOnce, Math.max(1, layers.length));
}
