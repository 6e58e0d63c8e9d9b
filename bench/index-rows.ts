import { join } from 'node:path';
import { createMemoryObjects } from '../adapters/memory/objects.ts';
import { DIGEST_BYTES, sha256, toHex } from '../core/fingerprint.ts';
import { encodeFooter, encodeTrailer, packIdOf } from '../core/format/footer.ts';
import { namespaceScope, objectKey } from '../core/format/keys.ts';
import { limits } from '../core/limits.ts';
import { findAll } from '../functions/fingerprints/answer-batch.ts';
import { contentsOf, packsFor } from '../functions/packs/find-packs.ts';
import { FooterCache } from '../functions/packs/footer-cache.ts';
import { incompressible } from './content.ts';
import { openEmbeddedIndex } from './embedded-tables.ts';
import type { Finding, Settings } from './finding.ts';
import { compare } from './pairs.ts';

const NAMESPACE = 'default';
const ROWS = 1_000_000;
const ROWS_QUICK = 20_000;
const ROWS_AT_ONCE = 5_000;
const SLOWER_MAX = 1.25;

/** A full batch of known chunks against an index of a million rows, and against one that has the batch's own rows alone. */
export async function benchIndex({ folder, pairs, isQuick, note }: Settings): Promise<Finding[]> {
  const rows = isQuick ? ROWS_QUICK : ROWS;
  const [full, bare] = [await openEmbeddedIndex(join(folder, 'full')), await openEmbeddedIndex(join(folder, 'bare'))];
  const objects = createMemoryObjects();
  const { id, parts, fingerprints } = packOf(limits.pack_chunks_max);
  await objects.put(objectKey(namespaceScope(NAMESPACE), 'packs', id), parts);
  const sampling = limits.index_sampling_default;
  const hooks = Array.from({ length: limits.pack_chunks_max }, (_, at) => fingerprints.subarray(at * 32, at * 32 + 32))
    .filter((each) => each[0]! % sampling === 0)
    .map(toHex);
  note(`index: writing ${rows} rows`);
  const others = incompressible(9);
  for (let written = 0; written < rows; written += ROWS_AT_ONCE) {
    const bytes = Buffer.alloc(ROWS_AT_ONCE * DIGEST_BYTES);
    others(bytes);
    const names = Array.from({ length: ROWS_AT_ONCE }, (_, at) => toHex(bytes.subarray(at * 32, at * 32 + 32)));
    await full.fill(names, toHex(sha256(bytes)));
  }
  for (const { index } of [full, bare]) await index.add(NAMESPACE, hooks, id);

  const ask = (index: typeof full.index) => async () => {
    const deps = { objects, index, sampling, footers: new FooterCache(limits.footer_cache_bytes) };
    const contents = await contentsOf(deps, NAMESPACE, await packsFor(deps, NAMESPACE, fingerprints));
    const places = findAll(fingerprints, [...contents.values()]);
    if (places.includes(undefined)) throw new Error('a chunk of the pack was not found');
  };
  const ratio = await compare({ product: ask(full.index), bare: ask(bare.index) }, pairs);
  await full.close();
  await bare.close();
  return [
    {
      bench: 'index',
      what: `batch of ${limits.pack_chunks_max} fingerprints, index of ${rows} rows against an empty one`,
      goal: `≤ ${SLOWER_MAX} × as long`,
      found: `${(1 / ratio.ratio).toFixed(2)} × as long (${Math.round(ratio.productMs)} against ${Math.round(ratio.bareMs)} ms)`,
      isMet: 1 / ratio.ratio <= SLOWER_MAX,
      figures: { ...ratio, rows },
    },
  ];
}

/** A pack's footer, and frames that nobody reads. */
function packOf(chunks: number) {
  const fingerprints = Buffer.alloc(chunks * DIGEST_BYTES);
  incompressible(8)(fingerprints);
  const footer = encodeFooter({
    frames: [{ offset: 0, frameBytes: 64, rawBytes: chunks, chunks, checksum: Buffer.alloc(16) }],
    chunks: Array.from({ length: chunks }, (_, at) => ({
      fingerprint: fingerprints.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES),
      length: 1,
    })),
  });
  return { id: toHex(packIdOf(footer)), parts: [Buffer.alloc(64), footer, encodeTrailer(footer.length)], fingerprints };
}
