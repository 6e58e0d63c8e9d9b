import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../finding.ts';
import type { CommandOptions } from './command.ts';
import { bytesBelow } from './figures.ts';
import { megabytes } from './goals.ts';
import type { Images } from './images/build.ts';
import { runProduct } from './measure-product.ts';

/** Hook and pack. */
const ROW_BYTES = 64;
const RATES = [1, 4, 8, 16, 32];

/** What an index that has a row for one fingerprint in N misses of the images' duplicates, against one that has all. */
export async function benchSampling(
  images: Images,
  { dir, ...options }: CommandOptions & { readonly dir: string; readonly note: (line: string) => void },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  let exact = 0;
  for (const sampling of RATES) {
    options.note(`index: one row for ${sampling}`);
    rmSync(dir, { recursive: true, force: true });
    const chains = [images.os, ...images.environments].map(({ chain }) => chain);
    await runProduct({ kind: 'ingest', store: dir, layers: images.layers, chains, sampling }, options);
    const bytes = bytesBelow(join(dir, 'objects'));
    if (sampling === 1) exact = bytes;
    const rows = statSync(join(dir, 'index.rows')).size / ROW_BYTES;
    findings.push({
      bench: 'peers',
      what: `index with a row for one fingerprint in ${sampling}`,
      goal: 'none: it is weighed against what rows cost',
      found: `${megabytes(bytes)}, ${((bytes / exact - 1) * 100).toFixed(2)} % more than with all; ${rows} rows`,
      isMet: true,
      figures: { bytes, exact, rows, sampling },
    });
  }
  rmSync(dir, { recursive: true, force: true });
  return findings;
}
