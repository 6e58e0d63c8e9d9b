import type { LayerForecast } from './api/forecast.ts';
import type { OfDisk } from './disks.ts';
import type { Kind } from './kinds.ts';
import type { Treatment } from './treatments.ts';

/** What is done with one layer of one VM. */
export interface PlannedLayer extends OfDisk {
  readonly treatment: Treatment;
  /** Why, for a person. */
  readonly reason: string;
  /** Names the layer's transfer within the migration. */
  readonly stream: string;
  readonly kind: Kind;
  readonly name: string;
  /** Hex; unknown before the move for user data that goes direct. */
  readonly layerId?: string | undefined;
  readonly virtualBytes: number;
  /** Bytes that the layer itself holds. */
  readonly dataBytes: number;
  /** True if another VM of the gang brings this layer, too: it is sent once. */
  readonly shared: boolean;
  /** True if the namespace's store has all of it: the source reads and sends nothing. */
  readonly stored: boolean;
  /** True if it is the public namespace's store that has it. */
  readonly published?: boolean | undefined;
  /** Of a base layer that must reach the destination: its place in the order, at the VM whose host sends it. */
  readonly turn?: number | undefined;
  /** What it is expected to take. Of a layer that several VMs bring it counts once. */
  readonly forecast?: LayerForecast | undefined;
}
