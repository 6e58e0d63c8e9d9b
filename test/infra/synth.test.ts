import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { synthesize } from '../../infra/synth.ts';
import { ASSEMBLIES } from './assemblies.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'layermover-synth-'));
afterAll(() => rmSync(dir, { recursive: true }));

describe('synthesize', () => {
  it('gives the assembly that is there already if the sources are the same', () => {
    const assembly = synthesize(ASSEMBLIES);
    expect(existsSync(path.join(assembly, 'manifest.json'))).toBe(true);
    const startMs = performance.now();
    expect(synthesize(ASSEMBLIES)).toBe(assembly);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  it('gives another context an assembly of its own, or refuses it in the app’s words', () => {
    const context = { schedules: '[{"schedule":"rate(1 hour)","evacuate":{"from":"a/h1","to":"b/h2"}}]' };
    const assembly = synthesize(ASSEMBLIES, context);
    expect(assembly).not.toBe(synthesize(ASSEMBLIES));
    expect(readFileSync(path.join(assembly, 'LayerMover.template.json'), 'utf8')).toContain('rate(1 hour)');
    const refused = expect.objectContaining({ code: 'CONTEXT_INVALID', message: expect.stringContaining('log-days') });
    expect(() => synthesize(ASSEMBLIES, { 'log-days': 'many' })).toThrow(refused);
  });

  it('removes assemblies that nobody asked for in a long time, and nothing else', () => {
    const current = path.basename(synthesize(ASSEMBLIES));
    for (const name of [current, '0123456789abcdef', 'fedcba9876543210', 'functions']) mkdirSync(path.join(dir, name));
    for (const name of ['0123456789abcdef', 'functions']) utimesSync(path.join(dir, name), 0, 0);
    expect(path.basename(synthesize(dir))).toBe(current);
    expect(readdirSync(dir)).toEqual([current, 'fedcba9876543210', 'functions'].toSorted());
  });
});
