import type { Incoming } from '../../core/api/agent.ts';
import type { Cutover } from '../../core/api/tasks.ts';
import type { News } from './task.ts';

/**
 * The destination's word that it can take a VM and has written all up to the cursor. Errors: the signal's reason.
 */
export async function incomingWord(
  news: Pick<News, 'incoming'>,
  of: { migration: string; vm: string; cursor: string | undefined; cutover: Cutover },
  signal: AbortSignal,
): Promise<Incoming> {
  for await (const word of news.incoming(of.migration, of.vm, signal)) {
    const hasAll = of.cursor === undefined || (word.applied ?? '') >= of.cursor;
    if (hasAll && (of.cutover === 'stop' || word.uri !== undefined)) return word;
  }
  throw signal.reason;
}
