import { COUNTED_KINDS, type CollectionRun, type Fate } from '../../core/garbage.ts';
import type { Telling } from '../cloud.ts';

/** Measures what a collection found and removed, and logs it. A dry run removed nothing. */
export function tellDone({ log, measure }: Telling, { dryRun, page, counts }: CollectionRun): void {
  const bytesOf = (fate: Fate) => COUNTED_KINDS.reduce((sum, kind) => sum + counts.objects[kind][fate].bytes, 0);
  measure('NeededBytes', bytesOf('needed'));
  measure('IdleBytes', bytesOf('waiting') + (dryRun ? bytesOf('removed') : 0));
  if (!dryRun) measure('RemovedBytes', bytesOf('removed'));
  log.info('collection done', { dryRun, pages: page, ...counts });
}
