import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { measureKnownBase } from '../../bench/known-base.ts';
import { measureMemory } from '../../bench/memory.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

/** What `npm run bench` measures, in small: real agents and a real cloud, and nothing that depends on the machine's speed. */
const folder = () => mkdtempSync(join(tmpdir(), 'layermover-limits-'));

describe('agents', () => {
  it('stay within 512 MB, whatever the disk: 64 GiB with much data, 16 TiB with little', async () => {
    const peaks = await measureMemory(folder(), [
      { virtualBytes: 64 * GiB, dataBytes: 768 * MiB },
      { virtualBytes: 16 * TiB, dataBytes: 64 * MiB },
    ]);
    for (const { source, destination } of peaks) {
      expect(source).toBeLessThanOrEqual(512e6);
      expect(destination).toBeLessThanOrEqual(512e6);
    }
  });

  it('read nothing of a base layer that the destination has', async () => {
    const [small, large] = [16 * MiB, 256 * MiB];
    const found = await measureKnownBase(folder(), { small, large, vms: 1 });
    expect(found.large.readBytes - found.small.readBytes).toBeLessThan(MiB);
    expect(found.small.readBytes).toBeLessThan(small / 2);
  });
});
