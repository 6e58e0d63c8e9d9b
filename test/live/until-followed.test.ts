import { describe, expect, it } from 'vitest';
import { untilFollowed } from '../../agent/live/source/until-followed.ts';
import { round } from '../../agent/tasks/round.ts';
import type { News, TaskHost, TaskRun } from '../../agent/tasks/task.ts';
import type { Incoming } from '../../core/api/agent.ts';
import type { Treatment } from '../../core/treatments.ts';
import { follow } from '../functions/support/samples.ts';

const never = new AbortController().signal;
const of = (bases: Treatment) => ({ ...follow('web-1', bases), kind: 'cutover' as const });
const begun: Incoming = { applied: { 'ud:web-1': '0001.0000' } };

/** What a destination says, word by word. */
function saying(words: readonly Incoming[]) {
  const heard: Incoming[] = [];
  async function* incoming() {
    for (const word of words) {
      heard.push(word);
      yield word;
    }
    throw new Error('nothing more is said');
  }
  return { heard, news: { incoming } as unknown as News };
}

describe('rounds of a running VM', () => {
  /** A host whose rounds end where they would be sent. */
  function sendingNothing(words: readonly Incoming[]) {
    const { news, heard } = saying(words);
    const session = { slowDown: async () => undefined };
    const live = { use: (_: unknown, __: unknown, work: (of: object) => unknown) => work(session) };
    const places = { source: () => Promise.reject(new Error('sends')) };
    return { heard, host: { live, news, places } as unknown as TaskHost };
  }

  it.each([
    [0, 0],
    [1, 1],
    [2, 0],
  ])(
    'number %i begins after %i words of the destination, while that may still fetch base layers',
    async (nth, words) => {
      const { host, heard } = sendingNothing([begun]);
      const input = { ...follow('web-1', 'dedup'), kind: 'round' as const, round: nth };
      await expect(round(host, { signal: never } as TaskRun, input)).rejects.toThrow('sends');
      expect(heard).toHaveLength(words);
    },
  );
});

describe('a source whose VM goes on running', () => {
  it('waits until the destination has written the first round, if base layers were to come', async () => {
    const { news, heard } = saying([{}, { uri: 'tcp:h2:49152' }, begun, { uri: 'later' }]);
    await untilFollowed({ news }, { signal: never }, of('dedup'));
    expect(heard).toHaveLength(3);
  });

  it('waits for nothing where the destination has all of them', async () => {
    const { news, heard } = saying([]);
    await untilFollowed({ news }, { signal: never }, of('skip'));
    expect(heard).toEqual([]);
  });

  it('stops to wait when its task is stopped', async () => {
    const { news } = saying([{}]);
    await expect(untilFollowed({ news }, { signal: never }, of('direct'))).rejects.toThrow('nothing more');
  });
});
