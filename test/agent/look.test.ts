import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { Look } from '../../agent/tasks/look.ts';
import type { TaskHost, TaskRun } from '../../agent/tasks/task.ts';
import { limits } from '../../core/limits.ts';
import { scripted } from './support.ts';

const run = { signal: new AbortController().signal } as TaskRun;

describe('what a running guest writes', () => {
  const writing = (bytesPerMs: number) => {
    const clock = createManualClock();
    const beganMs = clock.nowMs();
    const look = new Look({ clock } as unknown as TaskHost, run, { chunk_bytes: 65_536 });
    const written = async () => 5_000 + bytesPerMs * (clock.nowMs() - beganMs);
    return { clock, look, written };
  };

  it('is seen for a while, however soon the survey is done', async () => {
    const { clock, look, written } = writing(70);
    const done = look.atWrites('web-1', written, async () => 'surveyed');
    let isDone = false;
    void done.then(() => {
      isDone = true;
    });
    await clock.advance(limits.guest_look_ms - 1);
    expect(isDone).toBe(false);
    await clock.advance(1);
    expect(await done).toBe('surveyed');
    expect(look.writes).toEqual([{ vm: 'web-1', bytes_per_second: 70_000 }]);
  });

  it('is not waited for if the survey took as long', async () => {
    const { clock, look, written } = writing(3);
    const done = look.atWrites('web-1', written, () => clock.sleep(limits.guest_look_ms + 500));
    await clock.advance(limits.guest_look_ms + 500);
    await done;
    expect(look.writes).toEqual([{ vm: 'web-1', bytes_per_second: 3_000 }]);
  });
});

describe('a call of the API', () => {
  it('is as long as the quickest of some', async () => {
    const clock = createManualClock();
    const took = [90, 20, 50];
    const api = scripted(() => clock.sleep(took.shift()!));
    const noted: [string, number][] = [];
    const measures = { rates: () => ({}), note: (name: string, value: number) => void noted.push([name, value]) };
    const look = new Look({ clock, api, measures } as unknown as TaskHost, run, { chunk_bytes: 65_536 });
    const rates = look.rates(`m${'1'.repeat(20)}`);
    await clock.advance(1000);
    expect(await rates).toEqual({ call: { value: 20, from: 'measured' } });
    expect(noted).toContainEqual(['call', 20]);
  });
});
