import { describe, expect, it } from 'vitest';
import { untilFollowed } from '../../agent/live/source/until-followed.ts';
import type { News } from '../../agent/tasks/task.ts';
import type { Incoming } from '../../core/api/agent.ts';
import type { Treatment } from '../../core/treatments.ts';
import { follow } from '../functions/support/samples.ts';

const never = new AbortController().signal;
const of = (bases: Treatment) => ({ ...follow('web-1', bases), kind: 'cutover' as const });

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

describe('a source whose VM goes on running', () => {
  const begun: Incoming = { applied: { 'ud:web-1': '0001.0000' } };

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
