import type { KnownLayer } from '../../agent/catalog/catalog.ts';
import type { NamedImage } from '../../agent/derive/derive.ts';
import type { Reading, Sample } from '../../agent/suggest/sample.ts';
import type { MatchAnswer } from '../../core/api/matches.ts';
import type { HostRef } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** Something that a disk may lie on: an image of this host, a layer of the store, or both. */
export interface Candidate {
  readonly matched: number;
  readonly image?: NamedImage;
  /** Of an image: layers of its chain. */
  readonly depth?: number;
  /** Hex. */
  readonly layerId?: string;
  readonly name?: string;
  readonly holders?: readonly HostRef[];
}

/**
 * Images of this host that a disk may lie on: those that were named, those in the folder that others lie on, those
 * that its agent knows. Errors: SUGGEST_TOO_MANY, those of findImages.
 */
export async function imagesFor(
  flat: string,
  among: readonly NamedImage[],
  folder: string,
  known: readonly KnownLayer[],
) {
  const { basesIn } = await import('../../agent/suggest/bases.ts');
  const found = [...(await basesIn(folder)), ...known.map((layer) => layer.path)].map((path) => ({ path, folder }));
  const images = new Map([...found, ...among].map((image) => [image.path, image]));
  images.delete(flat);
  if (images.size <= limits.suggest_images_max) return [...images.values()];
  throw new LayerMoverError('SUGGEST_TOO_MANY', `there are ${images.size} images that ${flat} may lie on`, {
    hint: 'give their folder sub-folders, and name one of these with --images',
    data: { limit: limits.suggest_images_max },
  });
}

/** What each image has of the sample; one that can't be read is told of and left out. */
export async function matchImages(
  images: readonly NamedImage[],
  flat: string,
  sample: Sample,
  reading: Reading,
  tell: (done: number) => void,
): Promise<Candidate[]> {
  const { matchImage } = await import('../../agent/suggest/held-by.ts');
  const found: Candidate[] = [];
  for (const [i, image] of images.entries()) {
    const match = await matchImage(image, flat, sample, reading).catch((error: unknown) => {
      if (!(error instanceof LayerMoverError) || reading.signal.aborted) throw error;
      process.stderr.write(`left out: ${error.message} (${error.code})\n`);
      return undefined;
    });
    if (match !== undefined) found.push({ image, depth: match.depth, matched: match.matched });
    tell(i + 1);
  }
  return found;
}

/** Images and layers of the store as one list, the best first; of equals the one that lies on fewer. */
export function merged(
  images: readonly Candidate[],
  stored: MatchAnswer['layers'],
  known: readonly KnownLayer[],
): Candidate[] {
  const pathOf = new Map(known.map(({ layerId, path }) => [layerId, path]));
  const layers = new Map(
    stored.map(({ layer, matched }) => [pathOf.get(layer.layer_id) ?? layer.layer_id, { layer, matched }]),
  );
  const here = images.map((candidate): Candidate => {
    const same = layers.get(candidate.image!.path);
    layers.delete(candidate.image!.path);
    return same === undefined ? candidate : { ...candidate, layerId: same.layer.layer_id };
  });
  const elsewhere = [...layers.values()].map(({ layer, matched }): Candidate => {
    return { matched, layerId: layer.layer_id, name: layer.name, holders: layer.holders };
  });
  return [...here, ...elsewhere]
    .filter(({ matched }) => matched > 0)
    .sort(
      (a, b) => b.matched - a.matched || (a.depth ?? Number.POSITIVE_INFINITY) - (b.depth ?? Number.POSITIVE_INFINITY),
    );
}
