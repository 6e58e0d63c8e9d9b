import { LayerMoverError } from '../../core/errors.ts';
import { fromHex, sameDigest, sha256 } from '../../core/fingerprint.ts';
import type { ObjectKind } from '../../core/format/keys.ts';
import { decodePlacement, type Placement } from '../../core/format/placement.ts';
import { decodeRoot, type Root } from '../../core/format/root.ts';
import { decodeSegment, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { Page } from './page.ts';

/** The root of a layer, proven by its id. Throws what tells damage, or OBJECT_MISSING. */
export async function readRoot(page: Page, layerId: string): Promise<Root> {
  return decodeRoot(await readProven(page, 'layers', layerId, limits.root_bytes_max));
}

/** A segment, proven by its id. Throws as readRoot does. */
export async function readSegment(page: Page, id: string): Promise<Segment> {
  return decodeSegment(await readProven(page, 'segments', id, limits.segment_bytes_max));
}

/** A segment's placement, which proves itself but not that it is this segment's. Throws as readRoot does. */
export async function readPlacement(page: Page, segmentId: string): Promise<Placement> {
  const key = page.keyOf('placements', segmentId);
  return decodePlacement(await page.deps.objects.get(key, { bytesMax: limits.placement_bytes_max }));
}

async function readProven(page: Page, kind: ObjectKind, id: string, bytesMax: number): Promise<Uint8Array> {
  const bytes = await page.deps.objects.get(page.keyOf(kind, id), { bytesMax });
  if (sameDigest(sha256(bytes), fromHex(id))) return bytes;
  throw new LayerMoverError('MANIFEST_CORRUPT', 'it differs from its id', { data: { kind, id } });
}
