import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../adapters/memory/files.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { NOTHING_SPENT, type StoredVersion } from '../../agent/journal/format.ts';
import { Journals } from '../../agent/journal/journals.ts';
import type { PushJournal } from '../../agent/journal/push-journal.ts';
import { geometryOf } from '../../core/chunk.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { sleepClock } from './push-support.ts';
import { eachFolder, keptLog } from './support.ts';

const GiB = 1024 ** 3;
/** 64 segments. */
const geometry = geometryOf(16 * GiB, 65_536);
const of = { scope: 'ns/default', migration: `m${'1'.repeat(20)}`, stream: 'ud:web-1', geometry };
const FOLDER = '/state/journal';
const DAY_MS = 24 * 3_600_000;
const version = (index: number, round: number): StoredVersion => ({
  index,
  id: toHex(sha256(Buffer.from(`${index} ${round}`))),
});
const spentBy = (round: number) => ({ ...NOTHING_SPENT, wireBytes: round * 1000, milliseconds: round });

const folder = eachFolder();
let files: MemoryFiles;
let journals: Journals;
const clock = sleepClock();
const log = keptLog();
beforeEach(() => host());

function host(disk = new MemoryFiles({ nowMs: () => 0, chance: () => 0.5 })): void {
  files = disk;
  journals = new Journals(FOLDER, { files, clock, log });
  log.lines.length = 0;
}

const path = () => files.paths(FOLDER).find((each) => each.endsWith('.journal'))!;
const latest = (journal: PushJournal, { segments } = geometry) =>
  Array.from({ length: segments }, (_, index) => journal.latest(index));

async function noted(rounds: number): Promise<PushJournal> {
  const journal = await journals.open(of);
  for (let round = 0; round < rounds; round++) {
    const versions = [version(round % 60, round), version((round + 1) % 60, round)];
    await journal.note(versions, spentBy(round));
  }
  return journal;
}

async function replace(bytes: Uint8Array): Promise<void> {
  const file = await files.open(path(), 'replace');
  await file.write(bytes, 0);
  await file.close();
}

describe('a push’s journal', () => {
  it('tells the next attempt all that was noted, though the host lost its power', async () => {
    const before = latest(await noted(100));
    host(files.asOnDisk());
    const after = await journals.open(of);
    expect(latest(after)).toEqual(before);
    expect(after.spent).toEqual(spentBy(99));
    expect(after.latest(62)).toBeUndefined();
    expect(log.lines).toEqual([]);
  });

  it('is written anew before it grows past its bound, and forgets nothing', async () => {
    const bound = limits.journal_bytes_max;
    Object.assign(limits, { journal_bytes_max: 8192 });
    try {
      const before = latest(await noted(500));
      expect(files.peek(path())!.length).toBeLessThanOrEqual(8192);
      expect(latest(await journals.open(of))).toEqual(before);
    } finally {
      Object.assign(limits, { journal_bytes_max: bound });
    }
  });

  it('whatever becomes of its bytes, tells nothing that was not noted', async () => {
    await noted(20);
    const sound = Buffer.from(files.peek(path())!);
    const told = new Set(
      Array.from({ length: 20 }, (_, round) => [version(round, round), version(round + 1, round)]).flatMap((each) =>
        each.map(({ index, id }) => `${index} ${id}`),
      ),
    );
    const harm = fc.record({
      cut: fc.option(fc.nat(sound.length)),
      flips: fc.array(fc.record({ at: fc.nat(sound.length - 1), mask: fc.integer({ min: 1, max: 255 }) }), {
        maxLength: 3,
      }),
      tail: fc.uint8Array({ maxLength: 200 }),
    });
    await fc.assert(
      fc.asyncProperty(harm, async ({ cut, flips, tail }) => {
        const bytes = Buffer.from(sound);
        for (const { at, mask } of flips) bytes[at]! ^= mask;
        await replace(Buffer.concat([bytes.subarray(0, cut ?? bytes.length), tail]));
        const journal = await journals.open(of);
        latest(journal).forEach((id, index) => {
          if (id !== undefined) expect(told).toContain(`${index} ${id}`);
        });
        await journal.close();
      }),
      { numRuns: 300 },
    );
    expect(log.lines).toEqual([]);
  });

  it.each([
    ['another migration', { migration: `m${'2'.repeat(20)}` }],
    ['another stream', { stream: 'ud:web-2' }],
    ['another namespace', { scope: 'ns/other' }],
    ['a disk of another size', { geometry: geometryOf(8 * GiB, 65_536) }],
    ['other chunks', { geometry: geometryOf(16 * GiB, 131_072) }],
  ])('of %s counts for nothing', async (_, change) => {
    await (await noted(5)).close();
    const bytes = Buffer.from(files.peek(path())!);
    const other = { ...of, ...change };
    await (await journals.open(other)).close();
    for (const each of files.paths(FOLDER)) {
      const file = await files.open(each, 'replace');
      await file.write(bytes, 0);
      await file.close();
    }
    expect(latest(await journals.open(other), other.geometry).every((id) => id === undefined)).toBe(true);
  });

  it('on a full disk goes on without, and tells what it could write', async () => {
    const journal = await noted(5);
    const before = latest(journal);
    files.full = true;
    await journal.note([version(40, 7)], spentBy(7));
    await journal.note([version(41, 7)], spentBy(8));
    expect(journal.latest(40), 'this attempt knows').toBe(version(40, 7).id);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    files.full = false;
    expect(latest(await journals.open(of))).toEqual(before);
  });

  it('is begun while others are', async () => {
    journals = new Journals(folder.at('journal'), { files: systemFiles, clock, log });
    const pushes = Array.from({ length: 50 }, (_, vm) => ({ ...of, stream: `ud:${vm}` }));
    const opening: Promise<PushJournal>[] = [];
    for (const push of pushes) {
      opening.push(journals.open(push));
      await setImmediate();
    }
    const begun = await Promise.all(opening);
    for (const [at, journal] of begun.entries()) {
      await journal.note([version(at, 1)], spentBy(1));
      await journal.close();
    }
    expect(log.lines).toEqual([]);
    for (const [at, push] of pushes.entries()) {
      const again = await journals.open(push);
      expect(again.latest(at)).toBe(version(at, 1).id);
      await again.close();
    }
  });

  it('goes when its push is done, or once the store has expired what it tells of', async () => {
    await noted(3);
    await journals.forget(of.migration, of.stream);
    expect(files.paths(FOLDER)).toEqual([]);
    await noted(3);
    await clock.sleep((limits.left_over_days - 1) * DAY_MS);
    await (await journals.open(of)).close();
    await clock.sleep(DAY_MS + 1);
    const file = await files.open(`${FOLDER}/x.journal.tmp`, 'replace');
    await file.close();
    await journals.sweep();
    expect(files.paths(FOLDER)).toEqual([]);
  });
});
