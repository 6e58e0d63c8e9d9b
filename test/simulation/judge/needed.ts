import { isNone, toHex } from '../../../core/fingerprint.ts';
import { decodePlacement } from '../../../core/format/placement.ts';
import { decodeRoot, segmentIdAt } from '../../../core/format/root.ts';
import { DATA, decodeSegment } from '../../../core/format/segment.ts';

const SCOPE = 'ns/default';
const keyOf = (kind: string, id: string) => `${SCOPE}/${kind}/${id.slice(0, 2)}/${id}`;

/** The keys that the namespace's layers and rounds need, and those of them that are not there. */
export interface Needed {
  readonly keys: Set<string>;
  readonly absent: string[];
}

/** What hangs on layers, by their ids, and on segments that rounds name: exactly, from the bytes of all objects. */
export function neededBy(
  objects: ReadonlyMap<string, Buffer>,
  layers: readonly string[],
  segments: readonly string[],
): Needed {
  const keys = new Set<string>();
  const absent: string[] = [];
  const look = (kind: string, id: string): Buffer | undefined => {
    const key = keyOf(kind, id);
    if (keys.has(key)) return undefined;
    keys.add(key);
    const bytes = objects.get(key);
    if (bytes === undefined) absent.push(key);
    return bytes;
  };
  const lookAtSegment = (id: string) => {
    const segment = look('segments', id);
    if (segment === undefined || !decodeSegment(segment).states.includes(DATA)) return;
    const placement = look('placements', id);
    if (placement === undefined) return;
    for (const { pack, scope } of decodePlacement(placement).frames) {
      if (scope === 'namespace') look('packs', toHex(pack));
    }
  };
  for (const layer of layers) {
    const bytes = look('layers', layer);
    if (bytes === undefined) continue;
    const root = decodeRoot(bytes);
    for (let at = 0; at < root.geometry.segments; at++) {
      const id = segmentIdAt(root, at);
      if (!isNone(id)) lookAtSegment(toHex(id));
    }
  }
  for (const id of segments) lookAtSegment(id);
  return { keys, absent };
}
