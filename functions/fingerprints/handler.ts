import { limits } from '../../core/limits.ts';
import { FooterCache } from '../packs/footer-cache.ts';
import { createRestHandler, type RestDeps, type RestHandler } from '../rest/handler.ts';
import { checkBatch, type FingerprintDeps } from './check-batch.ts';

/** POST /fingerprints. Footers that it has read it keeps for later batches. */
export function createHandler(deps: Omit<FingerprintDeps, 'footers'> & RestDeps): RestHandler {
  const footers = new FooterCache(limits.footer_cache_bytes);
  return createRestHandler(
    'fingerprints',
    { checkFingerprints: (call) => checkBatch({ ...deps, footers }, call) },
    deps,
  );
}
