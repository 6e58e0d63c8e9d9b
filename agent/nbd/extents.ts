import { limits } from '../../core/limits.ts';
import type { NbdClient } from './client.ts';
import { refused } from './failure.ts';
import type { StatusRun } from './requests.ts';

/** Blocks of which each context says one thing: its flags by the order of `contexts`. */
export interface StatusExtent {
  readonly offset: number;
  readonly length: number;
  readonly flags: readonly number[];
}

/**
 * What the contexts say of the whole disk, ascending and without gaps. A context may answer for less than it was asked,
 * so all are taken as far as the shortest answer goes, and asked again from there. Errors: as NbdClient.status.
 */
export async function* statusExtents(
  client: Pick<NbdClient, 'status' | 'virtualBytes'>,
  contexts: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<StatusExtent> {
  for (let offset = 0; offset < client.virtualBytes; ) {
    const length = Math.min(client.virtualBytes - offset, limits.nbd_status_range_bytes_max);
    const told = await client.status(offset, length, signal);
    const answers = contexts.map((name) => told.get(name) ?? []);
    let end = offset;
    for (const extent of merged(answers, offset)) {
      const most = Math.min(extent.length, client.virtualBytes - end);
      if (most > 0) yield { ...extent, length: most };
      end += most;
    }
    if (end === offset) throw refused('a block status that tells nothing');
    offset = end;
  }
}

/** Cuts the contexts' runs at each other's borders, as far as the shortest of them goes. */
function* merged(answers: readonly (readonly StatusRun[])[], from: number): Generator<StatusExtent> {
  const at = answers.map(() => 0);
  const left = answers.map((runs) => runs[0]?.length ?? 0);
  for (let offset = from; ; ) {
    const length = Math.min(...left);
    if (!(length > 0) || length === Number.POSITIVE_INFINITY) return;
    yield { offset, length, flags: answers.map((runs, each) => runs[at[each]!]!.flags) };
    offset += length;
    for (const each of answers.keys()) {
      left[each]! -= length;
      if (left[each] === 0) left[each] = answers[each]![++at[each]!]?.length ?? 0;
    }
  }
}
