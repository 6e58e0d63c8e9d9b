import type { PollAnswer } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';

type News = Omit<PollAnswer, 'tasks' | 'cancelled'>;

/** What one look has found, and the short look for what is awaited alone. */
interface Looked {
  readonly answer: PollAnswer;
  readonly news: () => Promise<News>;
}

/**
 * Looks until there is something to tell, or `waitMs` are over. What an agent awaits is looked for every
 * `limits.poll_look_ms`, tasks and cancellations more seldom: the wait costs reads, so agents ask for it only while a
 * cutover is near. Where a look takes long, as on a busy machine, it rests as long: looks must not be what keeps it busy.
 */
export async function untilNews(clock: Clock, waitMs: number, look: () => Promise<Looked>): Promise<PollAnswer> {
  const endMs = clock.nowMs() + waitMs;
  for (;;) {
    const { answer, news } = await look();
    if (hasNews(answer) || clock.nowMs() >= endMs) return answer;
    const told = await soon(clock, Math.min(endMs, clock.nowMs() + limits.poll_look_tasks_ms), news);
    if (told !== undefined) return { ...answer, ...told };
  }
}

async function soon(clock: Clock, untilMs: number, news: () => Promise<News>): Promise<News | undefined> {
  let tookMs = 0;
  while (clock.nowMs() < untilMs) {
    await clock.sleep(Math.max(limits.poll_look_ms, tookMs));
    const beganMs = clock.nowMs();
    const told = await news();
    tookMs = clock.nowMs() - beganMs;
    if (hasNews(told)) return told;
  }
  return undefined;
}

function hasNews(answer: Readonly<Record<string, readonly unknown[]>>): boolean {
  return Object.values(answer).some((each) => each.length > 0);
}
