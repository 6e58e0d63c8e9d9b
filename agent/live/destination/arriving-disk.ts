import type { Kind } from '../../../core/kinds.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Waiting } from '../../images/arrivals.ts';
import type { ArrivingDisk } from '../../launch/disks.ts';

interface Chain {
  readonly disk: string | undefined;
  /** Path of the top image. */
  readonly top: string;
  /** Bottom first. */
  readonly kinds: readonly Kind[];
  /** Layer id of the layer below the top one. */
  readonly parent: string | null;
}

/** A disk that arrives, as a launcher is told of it: its layers by kind, those below the top one as far as they are here, unchanged. */
export async function arrivingDisk(catalog: Catalog, { disk, top, kinds, parent }: Chain): Promise<ArrivingDisk> {
  const paths: Partial<Record<Kind, string>> = { [kinds.at(-1)!]: top };
  let below = parent;
  for (const kind of kinds.slice(0, -1).reverse()) {
    const known = below === null ? undefined : await catalog.byLayer(below);
    if (known === undefined) break;
    paths[kind] ??= known.path;
    below = known.parent;
  }
  return { disk, top, kinds: paths };
}

/** The disks of a VM that has arrived. */
export function arrivedDisks(catalog: Catalog, { disks }: Waiting): Promise<ArrivingDisk[]> {
  const chains = disks.map(({ path: top, vm: { disk, kinds }, layer: { parent } }) => ({ disk, top, kinds, parent }));
  return Promise.all(chains.map((chain) => arrivingDisk(catalog, chain)));
}
