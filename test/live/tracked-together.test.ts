import { describe, expect, it } from 'vitest';
import type { LiveLayer } from '../../agent/live/live-layer.ts';
import { TrackedTogether } from '../../agent/live/tracked-together.ts';
import type { Tracking } from '../../agent/live/tracking.ts';

const never = new AbortController().signal;

/** A way of following disks, whose layers are these names; `end` fails if it is told so. */
class Way implements Tracking {
  hasAll = false;
  isAlive = true;
  readonly said: string[] = [];
  readonly #names: readonly string[];

  constructor(...names: string[]) {
    this.#names = names;
  }

  async round<T>(_: unknown, __: unknown, use: (layers: readonly LiveLayer[]) => Promise<T>): Promise<T> {
    try {
      const done = await use(this.#names as never);
      this.hasAll = true;
      return done;
    } catch (error) {
      this.said.push('failed');
      throw error;
    }
  }

  async remainingBytes(): Promise<number> {
    return this.#names.length;
  }

  async end(): Promise<void> {
    this.said.push('end');
    if (!this.isAlive) throw new Error('it is gone');
  }

  async forget(): Promise<void> {
    this.said.push('forget');
  }
}

function both() {
  const [outer, inner] = [new Way('a', 'c'), new Way('b')];
  const together = new TrackedTogether({ at: [0, 2], tracking: outer }, { at: [1], tracking: inner });
  return { outer, inner, together };
}

describe('disks that are followed in two ways', () => {
  it('go through a round together, in the order in which they are the VM’s', async () => {
    const { together } = both();
    expect(together.hasAll).toBe(false);
    expect(await together.round({ isLast: false }, never, async (layers) => layers.join())).toBe('a,b,c');
    expect(together.hasAll).toBe(true);
    expect(await together.remainingBytes(never)).toBe(3);
  });

  it('both have their part of a round that failed in the next one', async () => {
    const { outer, inner, together } = both();
    const failing = together.round({ isLast: false }, never, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect([outer.said, inner.said]).toEqual([['failed'], ['failed']]);
  });

  it('are both let go of, though one can’t be', async () => {
    const { outer, inner, together } = both();
    outer.isAlive = false;
    expect(together.isAlive).toBe(false);
    await expect(together.end()).rejects.toThrow('it is gone');
    expect(inner.said).toEqual(['end']);
    await together.forget();
    expect([outer.said.at(-1), inner.said.at(-1)]).toEqual(['forget', 'forget']);
  });
});
