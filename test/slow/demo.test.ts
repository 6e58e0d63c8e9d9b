import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VmView } from '../../core/api/views.ts';
import { layermover, type Outcome, qemuImg, qemuIo } from './command.ts';

const DEMO_SECONDS_MAX = 60;

function summaryOf(outcome: Outcome): VmView[] {
  expect(outcome.stderr).not.toContain('error:');
  expect(outcome.code).toBe(0);
  expect(outcome.lines.at(-1)?.message_type).toBe('summary');
  return outcome.lines.at(-1)!.vms as VmView[];
}

describe('the demo', () => {
  it('shows skip, dedup and direct within a minute, and two run at once', async () => {
    const began = process.hrtime.bigint();
    const [one, two] = await Promise.all([layermover(['demo', '--json']), layermover(['demo'])]);
    const elapsed = Number(process.hrtime.bigint() - began) / 1e9;
    const vms = summaryOf(one);
    expect(vms.map((vm) => [vm.name, vm.equal])).toEqual([
      ['web-1', true],
      ['web-2', true],
      ['db-1', true],
    ]);
    const treatments = Object.fromEntries(vms.map((vm) => [vm.name, vm.layers.map((layer) => layer.treatment)]));
    expect(treatments).toEqual({
      'web-1': ['dedup', 'dedup', 'direct'],
      'web-2': ['dedup', 'dedup', 'direct'],
      'db-1': ['skip', 'dedup', 'direct'],
    });
    for (const vm of vms) {
      expect(vm.wire_bytes).toBe(vm.layers.reduce((sum, layer) => sum + layer.wire_bytes, 0));
      expect(vm.wire_bytes).toBeLessThan(vm.logical_bytes);
    }
    // Real files: what was expected on the wire of all layers, before any of them was sent, holds within 15 %.
    const sent = vms.flatMap(({ layers }) => layers).filter(({ forecast }) => forecast !== undefined);
    const expected = sent.reduce((sum, { forecast }) => sum + forecast!.wire_bytes, 0);
    const was = sent.reduce((sum, { wire_bytes }) => sum + wire_bytes, 0);
    expect(sent).toHaveLength(7);
    expect(Math.abs(expected / was - 1)).toBeLessThan(0.15);
    expect(two.code).toBe(0);
    expect(two.stdout).toContain('web-1');
    expect(elapsed).toBeLessThan(2 * DEMO_SECONDS_MAX);
  });
});

describe('the demo with one’s own images', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'layermover-own-'));
    await mkdir(path.join(folder, 'in'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('leaves the arrived chains under their names', async () => {
    const image = (name: string) => path.join(folder, 'in', name);
    await qemuImg('create', '-q', '-f', 'qcow2', image('base.qcow2'), '64M');
    await qemuIo(image('base.qcow2'), 'write -P 1 0 10M');
    for (const name of ['a.qcow2', 'b.qcow2']) {
      await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'base.qcow2', image(name));
      await qemuIo(image(name), `write -P ${name.charCodeAt(0)} 5M 1M`, 'write -z 0 64k');
    }
    await qemuImg('convert', '-O', 'raw', image('a.qcow2'), image('c.raw'));
    const out = path.join(folder, 'out');
    const tops = ['a.qcow2', 'b.qcow2', 'c.raw'];
    const vms = summaryOf(
      await layermover(['demo', ...tops.flatMap((top) => ['--vm', image(top)]), '--out', out, '--json']),
    );
    expect(vms.map((vm) => vm.equal)).toEqual([true, true, true]);
    expect((await readdir(out)).filter((name) => !name.startsWith('.')).sort()).toEqual([
      'a.qcow2',
      'b.qcow2',
      'base.qcow2',
      'c.raw',
    ]);
    for (const top of tops) await qemuImg('compare', '-q', image(top), path.join(out, top));
    await qemuImg('check', '-q', path.join(out, 'a.qcow2'));
  });

  it('refuses what is no image, and says why', async () => {
    const outcome = await layermover(['demo', '--vm', path.join(folder, 'nothing.qcow2')]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain('hint:');
  });
});

describe('on a machine with an older Node', () => {
  const older = ['/usr/bin/node', '/usr/local/bin/node'].find((node) => {
    try {
      return Number(execFileSync(node, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' })) < 24;
    } catch {
      return false;
    }
  });

  it.runIf(older)('the command runs on the Node that npm brought along', async () => {
    const outcome = await layermover(['--version'], { node: older! });
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});
