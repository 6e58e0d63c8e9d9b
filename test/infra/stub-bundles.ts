import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FUNCTIONS } from '../../functions/settings.ts';
import type { Bundles } from '../../infra/bundles.ts';

/** Code that does nothing, for tests of the template. */
export function stubBundles(dir: string): Bundles {
  const code = path.join(dir, 'code');
  mkdirSync(code);
  writeFileSync(path.join(code, 'index.mjs'), 'export const handler = () => {};');
  return Object.fromEntries(FUNCTIONS.map((name) => [name, code])) as Bundles;
}
