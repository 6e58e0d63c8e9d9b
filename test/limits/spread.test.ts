import { describe, expect, it } from 'vitest';
import { createMigrationStore } from '../../adapters/aws/migration-store.ts';
import type { Table } from '../../adapters/aws/table.ts';
import { limits } from '../../core/limits.ts';
import { chain } from '../functions/support/samples.ts';
import { createStepped, RECORD } from '../functions/support/steps.ts';

/** Of DynamoDB: what one partition takes. One key may have all of it. */
const PARTITION_WRITES_PER_SECOND = 1000;

/** A table that notes partition keys. */
function noting(keys: string[]): Table {
  const note = (item: object) => {
    keys.push(String((item as { pk: unknown }).pk));
    return Promise.resolve(true);
  };
  return { put: note, update: note, remove: note } as unknown as Table;
}

describe('a hot migration', () => {
  const stream = { stream: 'ud:web-1', side: 'source', doneBytes: 1, totalBytes: 1, wireBytes: 1 } as const;

  it('writes under its own key alone, whatever it does', async () => {
    const keys: string[] = [];
    const store = createMigrationStore(noting(keys));
    const vm = { name: 'web-1', run: 1, source: 'a/h1', epoch: 0, state: 'moving' } as const;
    await store.create(RECORD);
    await store.update(RECORD, ['moving'], { updatedMs: 1 });
    await store.putVm(RECORD.id, vm);
    await store.updateVm(RECORD.id, vm, { state: 'committed' });
    await store.putStream(RECORD.id, { ...stream, storedBytes: 1, dedupedBytes: 1, milliseconds: 1 });
    await store.appendRound(RECORD.id, { stream: 'ud:web-1', cursor: '1', segments: [] });
    expect(keys).toEqual(Array(6).fill(RECORD.id));
  });

  it('writes far less than its key may, even if every VM of the largest gang reports progress at once', () => {
    const reports = (2 * limits.gang_vms_max * 1000) / limits.progress_ms;
    expect(reports).toBeLessThan(PARTITION_WRITES_PER_SECOND / 10);
  });
});

describe('the workflow’s state', () => {
  const long = (name: string, length: number) => name.padEnd(length, 'x');
  const vmNames = Array.from({ length: limits.gang_vms_max }, (_, at) => long(`vm-${at}-`, limits.name_length_max));

  it('of the largest gang, each VM with the longest name and from a host of its own, is far below 256 KiB', async () => {
    const s = await createStepped({ vmNames });
    for (const [at, vm] of vmNames.entries()) {
      const [site, host] = [long(`s${at}`, 63), long('h', 63)];
      const body = { version: '1', vms: [vm], free_bytes: 1, layers: [] };
      await s.cloud.call('enrolHost', `u${at}`, { params: { site, host }, body });
    }
    const prepared = await s.step({ step: 'prepare' });
    for (const name of vmNames)
      await s.cloud.migrations.updateVm(RECORD.id, { name, run: 1 }, { surveyed: chain('any', name) });
    const planned = await s.step({ step: 'plan' });
    expect(prepared).toMatchObject({ sources: { length: limits.gang_vms_max } });
    expect(planned).toMatchObject({ vms: { length: limits.gang_vms_max }, seeds: { length: limits.gang_vms_max } });
    const state = JSON.stringify({ migration: RECORD.id, run: 1, ...prepared, ...planned });
    expect(Buffer.byteLength(state)).toBeLessThan(limits.state_payload_bytes_max / 2);
  });
});
