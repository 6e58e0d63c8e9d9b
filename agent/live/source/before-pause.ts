import { withDeadline } from '../../../adapters/deadline.ts';
import type { Incoming } from '../../../core/api/agent.ts';
import { mustCatchUp } from '../../../core/convergence/catch-up.ts';
import { topsOf } from '../../../core/disks.ts';
import { hasCode, LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import { type Cursors, hasAll, IncomingWords } from '../../tasks/incoming-word.ts';
import { vmOutcome } from '../../tasks/outcome.ts';
import type { Cutover } from './rounds.ts';

/**
 * Rounds until little is left and the destination has written the rest. Answers where it takes the guest's memory. Errors:
 * those of sendRound and of the API, the signal's reason.
 */
export async function catchUp(of: Cutover): Promise<string | undefined> {
  const { host, run, input, rounds } = of;
  const { migration, chain } = input;
  const { signal } = run;
  const words = new IncomingWords((until) => host.news.incoming(migration, chain.vm, until), signal);
  try {
    await allWritten(of, words);
    const left = [await rounds.look()];
    while (mustCatchUp(left)) {
      await rounds.next();
      left.push(await rounds.look());
    }
    // The function that commits has been called by then: it does not start in the pause.
    const [word] = await Promise.all([allWritten(of, words), vmOutcome(host.api, migration, chain.vm, signal)]);
    return word.uri;
  } finally {
    await words.close();
  }
}

/** The destination's word that it has written all that was committed. */
function allWritten({ session, input }: Cutover, words: IncomingWords): Promise<Incoming> {
  return words.until({ cursors: cursorsOf({ session, input }), cutover: input.live.cutover });
}

function cursorsOf({ session, input }: Pick<Cutover, 'session' | 'input'>): Cursors {
  return new Map(topsOf(input.chain.layers).map(({ stream }, at) => [stream, session.disks[at]!.cursor]));
}

/**
 * Whether the destination has begun anew and takes the guest's memory elsewhere by now, or will: what it had said of `uri` was
 * of a QEMU that is gone. False if it says nothing new within `limits.incoming_again_ms`. Errors: the signal's reason.
 */
export async function isElsewhere(of: Cutover, uri: string): Promise<boolean> {
  const { host, run, input } = of;
  const late = () => new LayerMoverError('RAM_FAILED', 'the destination has nothing new to say');
  const look = async (signal: AbortSignal) => {
    for await (const word of host.news.incoming(input.migration, input.chain.vm, signal)) {
      if (word.uri !== uri || !hasAll(word, cursorsOf(of))) return true;
    }
    return false;
  };
  const { clock } = host;
  return withDeadline(look, { clock, ms: limits.incoming_again_ms, late, signal: run.signal }).catch((error) => {
    if (!hasCode(error, 'RAM_FAILED')) throw error;
    return false;
  });
}

/**
 * What is written while the memory is sent goes as well, so that little is left when the guest stops. But a round that
 * is not over by then is waited for: the pause is shorter without it. Errors: those of sendRound, the signal's reason.
 */
export async function whileMemoryGoes(
  { host, run, rounds }: Cutover,
  stopped: AbortSignal,
  leftMs: number,
): Promise<void> {
  const { signal } = run;
  const remainingBytes = await rounds.look();
  const roundMs = rounds.last?.stats.milliseconds ?? limits.round_fixed_ms;
  const isWorth = remainingBytes > limits.cutover_small_bytes && leftMs > roundMs;
  if (isWorth && !stopped.aborted) return rounds.next();
  await host.clock.sleep(limits.ram_look_ms, AbortSignal.any([signal, stopped])).catch(() => signal.throwIfAborted());
}
