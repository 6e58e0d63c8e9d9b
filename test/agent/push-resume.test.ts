import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { AttemptStore, CONTENT, chunkBytes, IN_FLIGHT, PACK, PACKS, resumable } from './resume-support.ts';

const { push, expectArrives, journalPath, at, log } = resumable();

const journalFile = () => {
  const [name, ...others] = readdirSync(journalPath());
  expect(others).toEqual([]);
  return join(journalPath(), name!);
};

/** An attempt that is killed after so many packs. */
async function killed(packs: number, treatment: 'direct' | 'dedup' = 'direct', tell?: AttemptStore['tell']) {
  const store = new AttemptStore(treatment === 'direct' ? 'migration' : 'namespace', undefined, packs);
  if (tell !== undefined) store.tell = tell;
  await expect(push(store, { treatment })).rejects.toThrow('killed');
  return store;
}

describe('a push that was interrupted', () => {
  it.each([1, 2, 5, 8, PACKS - 1])('after %i packs sends at most the packs in flight again', async (packs) => {
    const first = await killed(packs);
    const second = new AttemptStore('migration', first);
    const { layerId, counts } = await push(second);
    expect(first.putBytes + second.putBytes).toBeLessThan(CONTENT.length + IN_FLIGHT * PACK + 64 * 1024);
    expect(second.putBytes, 'what was committed is not sent again').toBeLessThan(
      CONTENT.length - first.committed().size * chunkBytes + 64 * 1024,
    );
    expect(first.committed().size).toBeGreaterThanOrEqual((packs - IN_FLIGHT) * 64);
    expect(counts).toMatchObject({ doneBytes: CONTENT.length, totalBytes: CONTENT.length });
    const missed = first.putBytes + second.putBytes - counts.storedBytes;
    expect(missed, 'both attempts are counted, but for what nobody noted').toBeLessThan(IN_FLIGHT * PACK + 64 * 1024);
    expect(counts.wireBytes).toBeGreaterThan(counts.storedBytes);
    const { layerId: whole } = await push(new AttemptStore('migration'));
    expect(layerId).toBe(whole);
    await expectArrives([first, second]);
    await expectArrives([second]);
  });

  it('again and again comes to its end', async () => {
    const attempts = [await killed(3)];
    for (let at = 0; at < 2; at++) {
      const next = new AttemptStore('migration', attempts.at(-1), 3);
      await expect(push(next)).rejects.toThrow('killed');
      attempts.push(next);
    }
    const last = new AttemptStore('migration', attempts.at(-1));
    await push(last);
    attempts.push(last);
    const sent = attempts.reduce((sum, { putBytes }) => sum + putBytes, 0);
    expect(sent).toBeLessThan(CONTENT.length + 3 * IN_FLIGHT * PACK + 64 * 1024);
    await expectArrives(attempts);
  });

  it('when all was sent but its end sends nothing again', async () => {
    const first = new AttemptStore('migration');
    first.layers = () => {
      throw new Error('killed');
    };
    await expect(push(first)).rejects.toThrow('killed');
    const second = new AttemptStore('migration', first);
    const puts: string[] = [];
    const put = second.put.bind(second);
    second.put = (kind, id, parts) => {
      puts.push(kind);
      return put(kind, id, parts);
    };
    await push(second);
    expect(puts).toEqual(['layers']);
    await expectArrives([second]);
  });

  it('sends what has changed since, and nothing of the old is left', async () => {
    const first = await killed(8);
    const content = Buffer.from(CONTENT);
    noise(3 * chunkBytes, 77).copy(content, 70 * chunkBytes);
    content.fill(0, 10 * chunkBytes, 12 * chunkBytes);
    const second = new AttemptStore('migration', first);
    await push(second, { content });
    expect(first.putBytes + second.putBytes).toBeLessThan(CONTENT.length + (IN_FLIGHT + 1) * PACK);
    await expectArrives([first, second], content);
    await expectArrives([second], content);
  });

  it('relies on nothing of a round that was refused: its migration had ended, and what it rests on is removed', async () => {
    const first = new AttemptStore('migration');
    first.commit = () => Promise.reject(new Error('cancelled'));
    await expect(push(first)).rejects.toThrow('cancelled');
    for (const key of [...first.objects.keys()]) if (key.startsWith('packs/')) first.objects.delete(key);
    const second = new AttemptStore('migration', first);
    await push(second);
    await expectArrives([second]);
  });

  const harms: [string, (store: AttemptStore, id: string) => void, string?][] = [
    ['its version is gone', (store, id) => store.objects.delete(`segments/${id}`)],
    ['its placement is gone', (store, id) => store.objects.delete(`placements/${id}`)],
    ['its version is damaged', (store, id) => flip(store, `segments/${id}`), 'MANIFEST_CORRUPT'],
    ['its placement is damaged', (store, id) => flip(store, `placements/${id}`), 'PLACEMENT_CORRUPT'],
  ];
  it.each(harms)('sends a segment anew if %s', async (_, harm, code) => {
    const first = await killed(8);
    const { id } = first.rounds.flatMap(({ segments }) => segments).find(({ index }) => index === 1)!;
    const second = new AttemptStore('migration', first);
    const latest = first.rounds.flatMap(({ segments }) => segments).findLast(({ index }) => index === 1)!;
    for (const version of new Set([id, latest.id])) harm(second, version);
    await push(second);
    const kept = first.committed().size * chunkBytes;
    expect(second.putBytes).toBeGreaterThan(CONTENT.length - kept + PACK / 2);
    expect(second.putBytes, 'the others are kept').toBeLessThan(CONTENT.length - kept + 2 * PACK + 64 * 1024);
    // A store never changes an object: what is damaged there stays so, and reaches no disk.
    if (code === undefined) await expectArrives([second]);
    else await expect(expectArrives([second])).rejects.toMatchObject({ code });
  });
});

function flip(store: AttemptStore, key: string): void {
  const bytes = Buffer.from(store.objects.get(key)!);
  bytes[bytes.length >> 1]! ^= 1;
  store.objects.set(key, bytes);
}

describe('a journal', () => {
  it.each([
    ['of nothing', () => Buffer.alloc(0)],
    ['of garbage', () => noise(5000, 3)],
    ['with a damaged head', (bytes: Buffer) => flipped(bytes, 40)],
    ['with a damaged first entry', (bytes: Buffer) => flipped(bytes, 100)],
    ['that is cut short', (bytes: Buffer) => bytes.subarray(0, 60)],
    ['that is far too long', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(limits.journal_bytes_max)])],
  ])('%s counts for nothing, and the push begins anew', async (_, harm) => {
    const first = await killed(6);
    writeFileSync(journalFile(), harm(readFileSync(journalFile())));
    const second = new AttemptStore('migration', first);
    await push(second);
    expect(second.putBytes).toBeGreaterThan(CONTENT.length);
    await expectArrives([second]);
  });

  it('that was torn tells what it did before', async () => {
    const first = await killed(8);
    const bytes = readFileSync(journalFile());
    writeFileSync(journalFile(), bytes.subarray(0, bytes.length - 5));
    const second = new AttemptStore('migration', first);
    await push(second);
    expect(second.putBytes).toBeLessThan(CONTENT.length - (8 - IN_FLIGHT - 3) * PACK);
    await expectArrives([second]);
  });

  it('that can’t be written keeps no push from its end', async () => {
    writeFileSync(at('journal'), 'a file where its folder should be');
    const store = new AttemptStore('migration');
    await push(store);
    await expectArrives([store]);
    expect(log.lines.some(({ level }) => level === 'warn')).toBe(true);
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 4;
  return bytes;
}

describe('a dedup push that was interrupted', () => {
  it('goes on by its own journal where a sampled index has lost the packs', async () => {
    const blind = () => 'missing' as const;
    const first = await killed(7, 'dedup', blind);
    const second = new AttemptStore('namespace', first);
    second.tell = blind;
    const { counts } = await push(second, { treatment: 'dedup' });
    expect(first.putBytes + second.putBytes).toBeLessThan(CONTENT.length + IN_FLIGHT * PACK + 64 * 1024);
    expect(counts).toMatchObject({ doneBytes: CONTENT.length, dedupedBytes: 0 });
    expect(new Set(second.released).size, 'every claim is given back').toBe(new Set(second.batches).size);
    await expectArrives([second]);
  });

  it('does not call known what it sent itself', async () => {
    const first = await killed(7, 'dedup');
    const second = new AttemptStore('namespace', first);
    const { counts } = await push(second, { treatment: 'dedup' });
    expect(counts.doneBytes).toBe(CONTENT.length);
    expect(counts.dedupedBytes).toBeLessThanOrEqual(IN_FLIGHT * PACK);
    await expectArrives([first, second]);
  });
});
