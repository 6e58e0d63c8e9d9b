import { join } from 'node:path';
import { type Content, compressible, incompressible } from '../content.ts';
import { makeSparse } from '../sparse-disk.ts';

const MiB = 1024 * 1024;
const TOP_BYTES = 16 * MiB;
/** What a base shares with another one comes in runs of so much. */
const RUN_MIB = 8;

/** A migration whose forecast is judged. */
export interface Case {
  readonly name: string;
  readonly vms: readonly string[];
  readonly policy: 'auto' | 'direct' | 'dedup';
}

/** The first one teaches the hosts what they and their link make; nobody can foretell that. */
export const CASES: readonly [Case, ...Case[]] = [
  { name: 'warm-up', vms: ['warm'], policy: 'dedup' },
  { name: 'new', vms: ['new'], policy: 'direct' },
  { name: 'half known', vms: ['half'], policy: 'auto' },
  { name: 'known', vms: ['known'], policy: 'auto' },
  { name: 'gang', vms: ['gang-1', 'gang-2'], policy: 'auto' },
];

/**
 * Writes their images: VMs on bases of `baseBytes` that shrink to two fifths, with little of their own. Of `half` the base of `warm`
 * has half, `known` lies on that base itself and has `ownBytes` of its own, and both of the gang lie on one base.
 */
export async function makeImages(folder: string, { baseBytes, ownBytes }: { baseBytes: number; ownBytes: number }) {
  const make = async (name: string, bytes: number, content: Content, over?: string) => {
    const path = join(folder, `${name}.qcow2`);
    const below = over === undefined ? {} : { over: join(folder, `${over}.qcow2`) };
    await makeSparse(path, { virtualBytes: 2 * baseBytes, dataBytes: bytes, runs: 1, content, ...below });
  };
  await make('warm-base', baseBytes, compressible(1));
  await make('new-base', baseBytes, compressible(2));
  await make('half-base', 2 * baseBytes, inTurns(compressible(1), compressible(3)));
  await make('gang-base', baseBytes, compressible(4));
  await make('warm', TOP_BYTES, incompressible(11), 'warm-base');
  await make('new', TOP_BYTES, incompressible(12), 'new-base');
  await make('half', TOP_BYTES, incompressible(13), 'half-base');
  await make('known', ownBytes, incompressible(14), 'warm-base');
  for (const nth of [1, 2]) await make(`gang-${nth}`, TOP_BYTES, incompressible(14 + nth), 'gang-base');
}

/** Both, one run of it after the other. Each call fills a mebibyte. */
function inTurns(one: Content, other: Content): Content {
  let at = 0;
  return (into) => (Math.floor(at++ / RUN_MIB) % 2 === 0 ? one : other)(into);
}
