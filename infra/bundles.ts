import { existsSync } from 'node:fs';
import path from 'node:path';
import { LayerMoverError } from '../core/errors.ts';
import { FUNCTIONS, type FunctionName } from '../functions/settings.ts';

/** Where each function's bundle lies: a folder with `index.mjs`, which exports `handler`. */
export type Bundles = Readonly<Record<FunctionName, string>>;

/** Where the package has them, and the sources have nothing. */
const SHIPPED = path.resolve(import.meta.dirname, '../bundles');

export function bundlesIn(folder: string): Bundles {
  return Object.fromEntries(FUNCTIONS.map((name) => [name, path.join(folder, name)])) as Bundles;
}

/** True in the package, which ships its functions built. */
export function hasShippedBundles(): boolean {
  return existsSync(SHIPPED);
}

/** The functions' code as the package ships it. Throws BUNDLES_MISSING where there is only source. */
export function shippedBundles(): Bundles {
  if (hasShippedBundles()) return bundlesIn(SHIPPED);
  throw new LayerMoverError('BUNDLES_MISSING', 'the functions’ code was not built', {
    hint: 'install the package that `npm run package` makes, or pass what bundleFunctions of infra/bundle.ts gives',
  });
}
