import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import type { Receipt } from '../../core/receipt.ts';
import type { Round } from '../../core/records.ts';
import type { PollDeps } from './deps.ts';

type Ports = Pick<PollDeps, 'migrations'>;

/** Rounds committed since the agent asked last, of streams of migrations that it has a task of. */
export async function newRounds(
  { migrations }: Ports,
  { following }: PollRequest,
  mine: ReadonlySet<string>,
): Promise<PollAnswer['rounds']> {
  const news: PollAnswer['rounds'] = [];
  for (const { migration, stream, after } of following.filter((each) => mine.has(each.migration))) {
    const room = limits.rounds_per_poll_max - news.length;
    if (room === 0) break;
    const rounds = await migrations.rounds(migration, stream, room, after);
    news.push(...rounds.map((round) => roundView(migration, round)));
  }
  return news;
}

function roundView(migration: string, { stream, cursor, segments, layerId }: Round): PollAnswer['rounds'][number] {
  const last = layerId === undefined ? {} : { layer_id: layerId };
  return { migration, stream, cursor, segments: [...segments], ...last };
}

/** The destination's receipts that the agent waits for and that are there. */
export async function newReceipts(
  { migrations }: Ports,
  { awaiting }: PollRequest,
  mine: ReadonlySet<string>,
): Promise<PollAnswer['receipts']> {
  const asked = [...new Set(awaiting.map((each) => each.migration))].filter((id) => mine.has(id));
  const found: Receipt[] = [];
  for (const id of asked) {
    const names = new Set(awaiting.filter((each) => each.migration === id).map((each) => each.vm));
    for (const vm of await migrations.vms(id)) {
      if (names.has(vm.name) && vm.destinationReceipt !== undefined) found.push(vm.destinationReceipt);
    }
  }
  return found.map((receipt) => ({ ...receipt, layers: [...receipt.layers] }));
}
