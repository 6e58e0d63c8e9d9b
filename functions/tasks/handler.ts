import { requireTask } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import { createRestHandler, type RestHandler } from '../rest/handler.ts';
import { announceIncoming } from './announce-incoming.ts';
import { announcePacks } from './announce-packs.ts';
import { announceRunning } from './announce-running.ts';
import { commitRound } from './commit-round.ts';
import type { TaskDeps } from './deps.ts';
import { grant } from './grant.ts';
import { recordLayer } from './record-layer.ts';
import { report } from './report.ts';
import { storeReceipt } from './store-receipt.ts';

/** What agents say of their tasks. */
export function createHandler(deps: TaskDeps): RestHandler {
  return createRestHandler(
    'tasks',
    {
      reportTask: (call) => report(deps, call),
      grant: (call) => grant(deps, call),
      announcePacks: (call) => announcePacks(deps, call),
      commitRound: (call) => commitRound(deps, call),
      recordLayer: (call) => recordLayer(deps, call),
      storeReceipt: (call) => storeReceipt(deps, call),
      announceIncoming: (call) => announceIncoming(deps, call),
      announceRunning: (call) => announceRunning(deps, call),
      announcePresence: (call) => announcePresence(deps, call),
    },
    deps,
  );
}

async function announcePresence(deps: TaskDeps, call: Call<'announcePresence'>) {
  const { attempt, has, lost } = call.body;
  const { namespace, host } = await requireTask(deps, call, call.path.task, attempt);
  await deps.layers.announce(namespace, host, has);
  for (const layer of lost) await deps.layers.withdraw(namespace, host, layer);
  return { ok: true as const };
}
