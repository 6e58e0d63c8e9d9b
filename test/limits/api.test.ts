import { describe, expect, it } from 'vitest';
import type { ZodType } from 'zod';
import { enrolRequest, errorJson, packsRequest, receipt, roundRequest } from '../../core/api/agent.ts';
import { rebuildRequest } from '../../core/api/rebuild.ts';
import { layerSample } from '../../core/api/tasks.ts';
import { migrationRequest, pageQuery } from '../../core/api/views.ts';
import { limits } from '../../core/limits.ts';
import { boundedError } from '../../functions/records/bounded-error.ts';

const digest = 'a'.repeat(64);
const some = <T>(count: number, item: (at: number) => T) => Array.from({ length: count }, (_, at) => item(at));
const enrolment = { version: '1', vms: [], free_bytes: 0, layers: [] };
const layer = { name: 'os', layerId: digest, virtualBytes: 1, evidence: 'read' };
const proof = { vm: 'web-1', migration: `m${'0'.repeat(20)}`, side: 'source', chunkBytes: 65_536, atMs: 0 };
const request = { request_id: 'request-1', vms: ['web-1'], to: 'b/h1' };

const bodies: readonly [name: string, at: number, schema: ZodType, body: (count: number) => unknown][] = [
  [
    'vms_per_host_max',
    limits.vms_per_host_max,
    enrolRequest,
    (n) => ({ ...enrolment, vms: some(n, (at) => `vm-${at}`) }),
  ],
  [
    'layers_per_enrolment_max',
    limits.layers_per_enrolment_max,
    enrolRequest,
    (n) => ({ ...enrolment, layers: some(n, () => digest) }),
  ],
  ['name_length_max', limits.name_length_max, errorJson, (n) => ({ code: 'E'.repeat(n), message: '' })],
  [
    'packs_per_announcement_max',
    limits.packs_per_announcement_max,
    packsRequest,
    (n) => ({ attempt: 1, packs: some(n, () => digest) }),
  ],
  [
    'segments_per_round_commit_max',
    limits.segments_per_round_commit_max,
    roundRequest,
    (n) => ({ attempt: 1, stream: digest, sequence: 0, segments: some(n, (index) => ({ index, id: digest })) }),
  ],
  ['vm_layers_max', limits.vm_layers_max, receipt, (n) => ({ ...proof, layers: some(n, () => layer) })],
  ['gang_vms_max', limits.gang_vms_max, migrationRequest, (n) => ({ ...request, vms: some(n, (at) => `vm-${at}`) })],
  ['page_items_max', limits.page_items_max, pageQuery, (limit) => ({ limit })],
  ['path_length_max', limits.path_length_max, rebuildRequest, (n) => ({ phase: 'packs', after: 'x'.repeat(n) })],
];

describe('the API', () => {
  it.each(bodies)('takes what is at %s and refuses one more', (_, at, schema, body) => {
    expect(schema.safeParse(body(at)).error).toBeUndefined();
    expect(schema.safeParse(body(at + 1)).success).toBe(false);
  });

  it('chunks a migration as limits say unless it is told otherwise', () => {
    expect(migrationRequest.parse(request).chunk_bytes).toBe(limits.chunk_bytes_default);
  });

  it('keeps of an error what a record can carry', () => {
    const long = 'x'.repeat(limits.notes_characters_max + 1);
    const kept = boundedError({ code: 'E', message: long, hint: long, data: { long } });
    expect(kept).toEqual({ code: 'E', message: long.slice(1), hint: long.slice(1) });
  });
});

describe('a sample', () => {
  it('tells any of zstd’s levels: other versions of the agent have other ones', () => {
    const sample = { stream: 'ud:web-1', hooks: '', hooks_all: 0, data_bytes: 0, raw_bytes: 0, compressed_bytes: 0 };
    expect(layerSample.safeParse({ ...sample, level: limits.zstd_level_max }).success).toBe(true);
    expect(layerSample.safeParse({ ...sample, level: limits.zstd_level_max + 1 }).success).toBe(false);
  });
});
