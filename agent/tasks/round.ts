import type { TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import type { SessionOf } from '../live/sessions.ts';
import { untilFollowed } from '../live/source/until-followed.ts';
import { sendRound, topTransfers, withRoundJournals } from './send-round.ts';
import type { TaskHost, TaskRun } from './task.ts';

type RoundInput = Extract<TaskInput, { kind: 'round' }>;

/**
 * One pre-copy round of a running VM: what its top layers hold, or what its guest has written since the round before.
 * Errors: those of Sessions.use and of sendRound.
 */
export async function round(host: TaskHost, run: TaskRun, input: RoundInput): Promise<TaskResult> {
  return host.live.use(sessionOf(input), run.signal, async (session) => {
    await session.slowDown(input.throttle_bytes_per_second, run.signal);
    if (input.round === 1) await untilFollowed(host, run, input);
    const wanted = { number: input.round, isLast: false, sequence: 0 };
    const send = () =>
      withRoundJournals(host, input, session, (journals) =>
        sendRound(host, run, input, session, { ...wanted, journals }),
      );
    const { stats, streams } = await host.places.source(run.signal, send);
    return { kind: 'round', stats, streams: [...streams] };
  });
}

/** The session that a task of a running VM goes on with. */
export function sessionOf(input: Extract<TaskInput, { kind: 'round' | 'cutover' }>): SessionOf {
  const { migration, run, chain, chunk_bytes: chunkBytes } = input;
  const disks = topTransfers(input).map(({ layer, parent }) => {
    return { disk: layer.disk, parent: parent === null ? NO_DIGEST : fromHex(parent) };
  });
  return { migration, run, vm: chain.vm, chunkBytes, disks };
}
