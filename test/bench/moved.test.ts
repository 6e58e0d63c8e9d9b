import { describe, expect, it } from 'vitest';
import { pauseBetween } from '../../bench/live/watch.ts';
import { faultOf } from '../../bench/mirror/judge.ts';
import { findingsOf } from '../../bench/mirror/ratios.ts';
import { GUEST_AREA } from '../live/guest/guest.ts';

describe('the pause of a guest that moved', () => {
  const resumed = { event: 'RESUME', atMs: 250 };

  it('is from its last stop at the source until it runs at the destination', () => {
    const source = [
      { event: 'STOP', atMs: 10 },
      { event: 'RESUME', atMs: 20 },
      { event: 'STOP', atMs: 100 },
      { event: 'STOP', atMs: 300 },
      { event: 'SHUTDOWN', atMs: 310 },
    ];
    expect(pauseBetween(source, [{ event: 'STOP', atMs: 90 }, resumed])).toBe(150);
  });

  it('is nobody’s who was not stopped, or does not run', () => {
    expect(() => pauseBetween([], [resumed])).toThrow('has not moved');
    expect(() => pauseBetween([{ event: 'STOP', atMs: 100 }], [])).toThrow('has not moved');
  });
});

describe('a disk that arrived', () => {
  const source = Buffer.alloc(GUEST_AREA.to + 512);
  const with1 = (at: number) => {
    const disk = Buffer.from(source);
    disk[at] = 1;
    return disk;
  };

  it('is that of the source, but for what the guest has written there', () => {
    expect(faultOf(source, source)).toBeUndefined();
    expect(faultOf(source, with1(GUEST_AREA.from))).toBeUndefined();
    expect(faultOf(source, with1(GUEST_AREA.to - 1))).toBeUndefined();
  });

  it('is not if anything else differs', () => {
    expect(faultOf(source, with1(GUEST_AREA.from - 1))).toContain('differ');
    expect(faultOf(source, with1(GUEST_AREA.to))).toContain('differ');
    expect(faultOf(source, source.subarray(512))).toContain('instead of');
  });
});

describe('pairs of moves', () => {
  const moved = (tookMs: number, pauseMs: number, sourceBytes: number, destinationBytes: number) => {
    return { tookMs, pauseMs, sourceBytes, destinationBytes };
  };

  it('are told as the median of their ratios, by the busier of two links', () => {
    const qemus = moved(4000, 100, 1000, 1000);
    const ours = [moved(1000, 100, 500, 250), moved(2000, 200, 250, 250), moved(8000, 400, 250, 1000)];
    const [time, bytes, pause] = findingsOf(
      'any',
      ours.map((each) => ({ ours: each, qemus })),
    );
    expect(time!.figures).toMatchObject({ ratio: 0.5, lowest: 0.25, highest: 2, ours: 2, qemus: 4 });
    expect(bytes!.figures).toMatchObject({ ratio: 0.5, lowest: 0.25, highest: 1 });
    expect(pause!.figures).toMatchObject({ ratio: 2, ours: 200, qemus: 100 });
  });
});
