import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import type { HostRecord } from '../../core/ports.ts';
import { requireHost } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import { beatAll } from './beat.ts';
import type { PollDeps } from './deps.ts';
import { handOut } from './hand-out.ts';
import { newRounds, newsOfVms } from './news.ts';
import { judgeRunning, storeProgress } from './running.ts';
import { untilNews } from './wait.ts';

/**
 * An agent's poll: its heartbeat, and all that it must know since the last one. If it may wait, the answer comes as soon
 * as there is something.
 */
export async function poll(deps: PollDeps, call: Call<'poll'>): Promise<PollAnswer> {
  const { namespace, body } = call;
  const ref: HostRef = `${call.path.site}/${call.path.host}`;
  const record = await requireHost(deps, call, ref);
  await renew(deps, namespace, record, body.free_bytes);

  const { wait_ms: waitMs = 0 } = body;
  let said = body;
  return await untilNews(deps.clock, waitMs, async () => {
    const looked = await look(deps, namespace, ref, said);
    // What the agent counted is stored once: a poll that waits may have been given up for one that knows more.
    said = { ...body, running: body.running.map((each) => ({ ...each, progress: [] })) };
    return looked;
  });
}

/** All that there is now, and how to look once more for what the agent awaits. */
async function look(deps: PollDeps, namespace: string, ref: HostRef, body: PollRequest) {
  const running = new Set(body.running.map((said) => said.task));
  const polling = { namespace, host: ref, instance: body.instance, running };
  const { own, stop } = await judgeRunning(deps, ref, body);
  const awaited = await beatAll(deps, own);
  const mine = new Set(awaited.map((task) => task.migration));
  const news = async () => {
    const [rounds, ofVms] = await Promise.all([newRounds(deps, body, mine), newsOfVms(deps, body, mine)]);
    return { rounds, ...ofVms };
  };
  const [tasks, now] = await Promise.all([
    handOut(deps, polling, own),
    news(),
    storeProgress(deps, awaited, body.running),
  ]);
  const dropped = own.filter((task) => !awaited.includes(task)).map((task) => task.id);
  return { answer: { tasks, cancelled: [...stop, ...dropped], ...now } satisfies PollAnswer, news };
}

/** Polls come several times a second; that the host lives is stored far more seldom. */
async function renew({ hosts, clock }: PollDeps, namespace: string, record: HostRecord, freeBytes: number) {
  const seenMs = clock.nowMs();
  if (seenMs - record.seenMs >= limits.host_seen_ms) await hosts.enrol(namespace, { ...record, freeBytes, seenMs });
}
