import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { isHook, toHex } from '../../core/fingerprint.ts';
import type { Footer } from '../../core/format/footer.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { takeIntoUse, type UseDeps } from './in-use.ts';
import { readFooter } from './read-footer.ts';

interface RowDeps extends UseDeps, Pick<CloudPorts, 'index'> {
  /** One fingerprint in so many gets an index row. */
  readonly sampling: number;
}

/**
 * Writes the index rows of packs of the namespace's (ids in hex) from their own footers; answers how many were new. Throws
 * OBJECT_MISSING or FORMAT_REFUSED if one is not what its id says, PACK_CONDEMNED if a rebuild is taking it out,
 * OBJECT_LEAVING if garbage collection is: then no row is written.
 *
 * A rebuild condemns a pack before it looks for its rows, and acquits it once the object is gone. So if it came in
 * between, a pack with new rows is either condemned now, or was removed: then the rows go again.
 */
export async function addRows(deps: RowDeps, namespace: string, packs: readonly string[]): Promise<number> {
  await refuseCondemned(deps, namespace, packs);
  await takeIntoUse(deps, namespace, 'packs', packs);
  const footers = await Promise.all(packs.map((pack) => readFooter(deps.objects, namespace, pack)));
  const rows = packs.map((pack, at) => ({ pack, hooks: hooksIn(footers[at]!, deps.sampling) }));
  let added = 0;
  for (const { pack, hooks } of rows) added += await deps.index.add(namespace, hooks, pack);
  try {
    await refuseCondemned(deps, namespace, packs);
    const keys = packs.map((pack) => objectKey(namespaceScope(namespace), 'packs', pack));
    await Promise.all(keys.map((key) => deps.objects.tail(key, 1)));
  } catch (error) {
    for (const { pack, hooks } of rows) await deps.index.remove(namespace, hooks, pack);
    throw error;
  }
  return added;
}

/** Those of a pack’s fingerprints that have index rows, each once, in hex. */
export function hooksIn({ chunks }: Footer, sampling: number): string[] {
  const hooks = chunks.filter((chunk) => isHook(chunk.fingerprint, sampling));
  return [...new Set(hooks.map((chunk) => toHex(chunk.fingerprint)))];
}

async function refuseCondemned({ index }: RowDeps, namespace: string, packs: readonly string[]): Promise<void> {
  const [pack] = await index.condemned(namespace, packs);
  if (pack === undefined) return;
  throw new LayerMoverError('PACK_CONDEMNED', `the store’s copy of pack ${pack} is damaged and being taken out`, {
    hint: 'let `layermover index rebuild` come to its end, then `layermover resume`',
    data: { pack },
  });
}
