import type { ApiClient } from '../../../adapters/api/client.ts';
import { hasCode } from '../../../core/errors.ts';
import type { Clock } from '../../../core/ports.ts';
import { taskIdOf } from '../../../core/task.ts';
import type { Log } from '../../daemon/log.ts';
import type { Guest } from '../../launch/guest.ts';
import type { Launches } from '../../launch/launches.ts';

export interface TakeOverDeps {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly launches: Launches;
  readonly log: Log;
}

interface Of {
  readonly migration: string;
  readonly vm: string;
}

/**
 * Lets a guest run whose memory is here, if its VM is committed to this host: from then on its source can't take it back.
 * False if it has done so already. Errors: those of the API but that refusal, of Qmp.execute.
 */
export async function takeOver(deps: TakeOverDeps, of: Of, guest: Guest, signal: AbortSignal): Promise<boolean> {
  const loadedMs = deps.clock.nowMs();
  const may = await askToRun(deps, of, signal);
  if (may === undefined) return false;
  if (!may.isPaused) await guest.goOn();
  const waitedMs = deps.clock.nowMs() - loadedMs;
  // Whatever fails from here on, nothing of ours ends it.
  await deps.launches.keep(of);
  deps.log.info({ ...of, waitedMs }, 'the guest is here');
  await tell(deps, of, { guest: 'runs', waited_ms: waitedMs }, signal);
  return true;
}

/**
 * Whether the VM is this host's to run; if so its source can't take it back any more. Undefined if it is not. Errors: those
 * of the API but that refusal.
 */
export async function askToRun(
  { api }: Pick<TakeOverDeps, 'api'>,
  of: Of,
  signal: AbortSignal,
): Promise<{ isPaused: boolean } | undefined> {
  try {
    const { paused } = await api.call('announceRunning', { params: { task: taskOf(of) }, body: {}, signal });
    return { isPaused: paused === true };
  } catch (error) {
    if (!hasCode(error, 'VM_OWNED_ELSEWHERE')) throw error;
    return undefined;
  }
}

/** The guest does not run here, and never will: its source may let it run on. Errors: those of the API. */
export function tellLost(deps: Pick<TakeOverDeps, 'api'>, of: Of, signal: AbortSignal): Promise<void> {
  return tell(deps, of, { guest: 'lost' }, signal);
}

type Word = { guest: 'runs'; waited_ms: number } | { guest: 'lost' };

async function tell({ api }: Pick<TakeOverDeps, 'api'>, of: Of, body: Word, signal: AbortSignal): Promise<void> {
  await api.call('announceRunning', { params: { task: taskOf(of) }, body, signal });
}

function taskOf({ migration, vm }: Of): string {
  return taskIdOf(migration, 'follow', vm);
}
