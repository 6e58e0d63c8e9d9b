import pLimit from 'p-limit';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { hasCode } from '../../core/errors.ts';
import { fromHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { ObjectReader } from '../../core/ports.ts';
import { hooksOf, packsNamed } from '../fingerprints/answer-batch.ts';
import type { FooterCache } from './footer-cache.ts';
import { PackContents } from './pack-contents.ts';
import { openFooterOf } from './read-footer.ts';

export interface PackDeps extends Pick<CloudPorts, 'index'> {
  readonly objects: ObjectReader;
  /** One fingerprint in so many has an index row. */
  readonly sampling: number;
  readonly footers: FooterCache;
}

/** The packs (ids in hex) that the rows of a batch's hooks name, most named first. */
export async function packsFor(
  { index, sampling }: Pick<PackDeps, 'index' | 'sampling'>,
  namespace: string,
  batch: Buffer,
): Promise<string[]> {
  return packsNamed(await index.lookup(namespace, hooksOf(batch, sampling)));
}

/**
 * What packs hold, by their ids in hex and in their order. One that is gone, corrupt or condemned is left out, whatever
 * a row or the cache says of it: a miss costs a second copy, never correctness.
 */
export async function contentsOf(
  deps: PackDeps,
  namespace: string,
  packs: readonly string[],
): Promise<Map<string, PackContents>> {
  const condemned = await deps.index.condemned(namespace, packs);
  const sound = packs.filter((pack) => !condemned.has(pack));
  const contents = await pLimit(limits.footer_reads_in_flight).map(sound, (pack) => open(deps, namespace, pack));
  const found = sound.map((pack, at) => [pack, contents[at]] as const);
  return new Map(found.filter((each): each is [string, PackContents] => each[1] !== undefined));
}

async function open(deps: PackDeps, namespace: string, pack: string): Promise<PackContents | undefined> {
  const key = `${namespace}/${pack}`;
  const known = deps.footers.get(key);
  if (known !== undefined) return known;
  try {
    const contents = new PackContents(fromHex(pack), await openFooterOf(deps.objects, namespace, pack));
    deps.footers.set(key, contents);
    return contents;
  } catch (error) {
    if (hasCode(error, 'OBJECT_MISSING', 'FORMAT_REFUSED', 'FORMAT_VERSION')) return undefined;
    throw error;
  }
}
