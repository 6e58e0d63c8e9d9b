import { sha256, toHex } from '../../../core/fingerprint.ts';
import type { LayerRecord, MigrationRecord, StreamRecord, VmRecord } from '../../../core/records.ts';
import type { Task } from '../../../core/task.ts';

let counted = 0;

/** A name that no other test of the file uses. */
export function fresh(prefix: string): string {
  counted += 1;
  return `${prefix}-${counted}`;
}

export function digestOf(label: string): string {
  return toHex(sha256(Buffer.from(label)));
}

export function freshMigration(): string {
  return `m${digestOf(fresh('migration')).slice(0, 20)}`;
}

export function layerRecord(label: string): LayerRecord {
  return {
    layerId: digestOf(label),
    parent: null,
    kind: 'os',
    name: `${label}.qcow2`,
    virtualBytes: 10 * 2 ** 30,
    chunkBytes: 65_536,
    dataBytes: 2 ** 30,
    recordedMs: 1_700_000_000_000,
  };
}

export function migrationRecord(namespace: string, createdMs: number): MigrationRecord {
  return {
    id: freshMigration(),
    namespace,
    requestId: fresh('request'),
    vmNames: ['web-1', 'web-2'],
    to: 'b/h2',
    policy: 'auto',
    chunkBytes: 65_536,
    kinds: ['os', 'we', 'ud'],
    run: 1,
    state: 'requested',
    createdMs,
    updatedMs: createdMs,
  };
}

export function vmRecord(name: string): VmRecord {
  const layerId = digestOf(name);
  const container = { format: 'qcow2', cluster_bytes: 65_536, version: 3 } as const;
  return {
    name,
    source: 'a/h1',
    run: 1,
    epoch: 3,
    state: 'waiting',
    surveyed: [
      {
        kind: 'os',
        name: 'os.qcow2',
        layer_id: layerId,
        parent: null,
        virtual_bytes: 2 ** 30,
        data_bytes: 2 ** 20,
        container,
      },
    ],
  };
}

export function streamRecord(stream: string, side: 'source' | 'destination', doneBytes: number): StreamRecord {
  return { stream, side, doneBytes, totalBytes: 100, wireBytes: 7, storedBytes: 5, dedupedBytes: 90, milliseconds: 12 };
}

export function postedTask(
  migration: string,
  what: string,
  token: string,
): Omit<Task, 'attempt' | 'state' | 'instance' | 'postedMs'> {
  return {
    id: `${migration}.survey.${what}`,
    namespace: 'default',
    migration,
    host: 'a/h1',
    token,
    input: {
      kind: 'survey',
      migration,
      run: 1,
      chunk_bytes: 65_536,
      policy: 'auto',
      vms: [{ name: 'web-1', kinds: ['os', 'ud'] }],
    },
  };
}
