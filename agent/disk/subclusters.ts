import { decodeL2, hostCluster, type ImageShape, isCompressed, READS_ZERO } from './cluster-entry.ts';
import { invalidImage } from './invalid.ts';
import type { Mapping } from './mapping.ts';

const SUBCLUSTERS = 32;

/**
 * Where the guest bytes [at, at + length) of one cluster are by its extended L2 entry at byte `entry` of a page: 64 bits
 * as in other images, then a bit for each sub-cluster that reads as zeros, then one for each that is allocated.
 * Errors: QCOW2_INVALID, QCOW2_OVERLAP. Source: qcow2 specification, "Extended L2 Entries".
 */
export function decodeExtended(
  image: ImageShape,
  page: DataView,
  entry: number,
  at: number,
  length: number,
): Mapping[] {
  const hi = page.getUint32(entry);
  const lo = page.getUint32(entry + 4);
  const zeros = page.getUint32(entry + 8);
  const allocated = page.getUint32(entry + 12);
  if (isCompressed(hi)) {
    if (zeros !== 0 || allocated !== 0) throw wrongBits(image.path, at);
    return [decodeL2(image, hi, lo, at, length)];
  }
  const host = hostCluster(image, hi, lo, at, length);
  if ((zeros & allocated) !== 0 || (lo & READS_ZERO) !== 0 || (host === undefined && allocated !== 0)) {
    throw wrongBits(image.path, at);
  }
  const bytes = image.clusterBytes / SUBCLUSTERS;
  const start = at - (at % image.clusterBytes);
  const end = at + length;
  const mappings: Mapping[] = [];
  for (let from = at; from < end; ) {
    const first = Math.floor((from - start) / bytes);
    const next = first + runOfBits(zeros, allocated, first);
    const part = { at: from, length: Math.min(end, start + next * bytes) - from };
    if ((zeros & (1 << first)) !== 0) mappings.push({ ...part, kind: 'zero' });
    else if ((allocated & (1 << first)) === 0) mappings.push({ ...part, kind: 'absent' });
    else mappings.push({ ...part, kind: 'file', fd: image.data.fd, offset: host! + from - start });
    from += part.length;
  }
  return mappings;
}

/** How many sub-clusters from `first` on are as that one is. */
function runOfBits(zeros: number, allocated: number, first: number): number {
  let next = first + 1;
  const same = (bits: number) => ((bits >>> first) & 1) === ((bits >>> next) & 1);
  while (next < SUBCLUSTERS && same(zeros) && same(allocated)) next++;
  return next - first;
}

function wrongBits(path: string, at: number) {
  return invalidImage(path, `the sub-clusters of guest byte ${at} contradict their cluster`);
}
