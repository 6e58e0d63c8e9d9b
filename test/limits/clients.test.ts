import { describe, expect, it } from 'vitest';
import { createApiClient } from '../../adapters/api/client.ts';
import { createS3Client } from '../../adapters/aws/clients.ts';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import type { PullSource } from '../../agent/pull/port.ts';
import { Versions } from '../../agent/pull/versions.ts';
import { WatchedSource } from '../../agent/pull/watched-source.ts';
import { geometryOf } from '../../core/chunk.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { encodeSegment, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';

describe('a refused signature', () => {
  /** How often the API is asked if its clock is that far ahead. */
  async function askedWith(skewMs: number): Promise<number> {
    const clock = createManualClock();
    let asked = 0;
    const refuse = async () => {
      asked++;
      const headers = { date: new Date(clock.nowMs() + skewMs).toUTCString() };
      return new Response('{"message":"Forbidden"}', { status: 403, headers });
    };
    const client = createApiClient({
      url: 'http://127.0.0.1:1',
      region: 'eu-central-1',
      namespace: 'default',
      clock: { ...clock, sleep: () => Promise.resolve() },
      fetch: refuse,
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    });
    await expect(client.call('listHosts')).rejects.toBeInstanceOf(Error);
    return asked;
  }

  it('is final where the clocks agree well enough, and tried again by the API’s clock where they do not', async () => {
    expect(await askedWith(0)).toBe(1);
    expect(await askedWith(limits.clock_skew_ms)).toBe(1);
    expect(await askedWith(limits.clock_skew_ms + 1000)).toBe(2);
    expect(await askedWith(-limits.clock_skew_ms - 1000)).toBe(2);
  });
});

describe('the object store’s client', () => {
  it('gives a connection, and a silent one, so much time', async () => {
    const client = createS3Client({ region: 'eu-central-1', credentials: { accessKeyId: 'i', secretAccessKey: 's' } });
    const handler = client.config.requestHandler as unknown as { configProvider: Promise<object> };
    expect(await handler.configProvider).toMatchObject({
      connectionTimeout: limits.http_timeout_ms,
      socketTimeout: limits.object_timeout_ms,
    });
    client.destroy();
  });
});

describe('a pull', () => {
  it('keeps the segments it used last, and fetches others again', async () => {
    const count = limits.segments_cached + 1;
    const [stored, fetched] = [new Map<string, Buffer>(), [] as string[]];
    const source = {
      segment: async (id: string) => {
        fetched.push(id);
        return stored.get(id)!;
      },
    } as unknown as PullSource;
    const watched = new WatchedSource(source, new AbortController().signal, () => undefined);
    const geometry = geometryOf(count * limits.segment_chunks * 4096, 4096);
    const versions = new Versions('disk', geometry, watched);
    const version = (index: number, zeros: number) => {
      const segment = new Segment(limits.segment_chunks);
      for (let chunk = 0; chunk < zeros; chunk++) segment.setZero(index + chunk);
      const bytes = encodeSegment(segment);
      const id = toHex(sha256(bytes));
      stored.set(id, bytes);
      return id;
    };
    for (let index = 0; index < count; index++) await versions.advance(index, version(index, 1));
    expect(fetched).toHaveLength(count);
    await versions.advance(count - 1, version(count - 1, 2));
    expect(fetched, 'the version before is at hand').toHaveLength(count + 1);
    await versions.advance(0, version(0, 2));
    expect(fetched, 'the one before is fetched again').toHaveLength(count + 3);
  });
});
