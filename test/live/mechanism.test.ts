import { describe, expect, it } from 'vitest';
import { type DiskSituation, mechanismFor } from '../../agent/qemu/mechanism.ts';
import { assertHarmless } from '../../agent/qemu/never.ts';
import { slower, throttleOf } from '../../agent/qemu/throttle.ts';

const able = { hasCommand: () => true, hasArgument: () => true, hasVariant: () => true };
const plain: DiskSituation = { iothread: false, device: 'virtio-blk-device', driver: 'qcow2' };

describe('the table of what is safe', () => {
  it.each<[string, DiskSituation, Partial<typeof able>, object]>([
    ['virtio-blk in the main loop', plain, {}, { kind: 'pull' }],
    ['virtio-scsi in the main loop', { ...plain, device: 'scsi-hd' }, {}, { kind: 'pull' }],
    ['a raw disk', { ...plain, driver: 'raw' }, {}, { kind: 'pull' }],
    ['virtio-blk in an iothread', { ...plain, iothread: true }, {}, { kind: 'mirror' }],
    ['virtio-scsi in an iothread', { ...plain, device: 'scsi-hd', iothread: true }, {}, { kind: 'mirror' }],
    ['a device of which nobody knows', { ...plain, device: 'x', iothread: undefined }, {}, { kind: 'refuse' }],
    [
      'a filter on top',
      { ...plain, driver: 'throttle' },
      {},
      { kind: 'refuse', why: expect.stringContaining('throttle') },
    ],
    ['a QEMU without exports', plain, { hasCommand: () => false }, { kind: 'refuse' }],
    ['a QEMU whose exports tell no depth', plain, { hasArgument: () => false }, { kind: 'refuse' }],
    ['a QEMU whose transactions know no bitmaps', plain, { hasVariant: () => false }, { kind: 'refuse' }],
    [
      'an iothread, and a mirror that knows no modes',
      { ...plain, iothread: true },
      { hasArgument: () => false },
      { kind: 'refuse' },
    ],
    ['an iothread, and no mirror', { ...plain, iothread: true }, { hasCommand: () => false }, { kind: 'refuse' }],
  ])('%s', (_, situation, lacks, expected) => {
    expect(mechanismFor(situation, { ...able, ...lacks })).toMatchObject(expected);
  });
});

const MIRROR = { 'copy-mode': 'background', 'on-source-error': 'stop', 'on-target-error': 'stop' };

describe('a QEMU is never asked', () => {
  it.each<[string, string, object]>([
    ['to set a property: the same drive again ends it', 'qom-set', { path: 'vd0', property: 'drive', value: 'disk0' }],
    ['to send disks with the RAM', 'migrate', { uri: 'tcp:x:1', blk: true }],
    ['to send disks with the RAM, in part', 'migrate', { uri: 'tcp:x:1', inc: true }],
    ['to end an export only when its clients have gone', 'block-export-del', { id: 'e', mode: 'safe' }],
    ['to end an export without saying how', 'block-export-del', { id: 'e' }],
    ['for a backup into somebody who may die', 'blockdev-backup', { device: 'disk0', target: 'agent' }],
    ['for a backup in a transaction', 'transaction', { actions: [{ type: 'blockdev-backup', data: {} }] }],
    ['for a mirror that the guest waits for', 'blockdev-mirror', { ...MIRROR, 'copy-mode': 'write-blocking' }],
    ['for a mirror in a mode that it chooses', 'blockdev-mirror', { ...MIRROR, 'copy-mode': undefined }],
    ['for a mirror that ends by itself', 'blockdev-mirror', { ...MIRROR, 'on-source-error': 'report' }],
    ['for a mirror that goes on after errors', 'blockdev-mirror', { ...MIRROR, 'on-target-error': 'ignore' }],
    ['for a mirror that makes its own target', 'drive-mirror', { device: 'disk0', target: '/x' }],
    ['to go over to a copy', 'block-job-complete', { device: 'layermover-mirror-0' }],
    ['to go over to a copy, by the other name', 'job-complete', { id: 'layermover-mirror-0' }],
    ['anything human', 'human-monitor-command', { 'command-line': 'quit' }],
  ])('%s', (_, command, args) => {
    expect(() => assertHarmless(command, { ...args })).toThrow(expect.objectContaining({ code: 'QMP_NEVER' }));
  });

  it('but all that a migration needs', () => {
    assertHarmless('migrate', { uri: 'tcp:x:1' });
    assertHarmless('blockdev-mirror', MIRROR);
    assertHarmless('block-export-del', { id: 'e', mode: 'hard' });
    assertHarmless('transaction', { actions: [{ type: 'block-dirty-bitmap-add', data: {} }] });
  });
});

describe('a guest that is slowed down', () => {
  const none = throttleOf({ bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0, drv: 'qcow2' });

  it('may write so much, and all else as before', () => {
    expect(slower(none, 1000)).toEqual({ bps: 0, bps_rd: 0, bps_wr: 1000, iops: 0, iops_rd: 0, iops_wr: 0 });
    expect(slower({ ...none, iops: 50 }, 1000)).toMatchObject({ bps_wr: 1000, iops: 50 });
  });

  it('never may write more than before', () => {
    expect(slower({ ...none, bps_wr: 500 }, 1000)).toMatchObject({ bps_wr: 500 });
    // QEMU takes a limit on both together, or one each.
    expect(slower({ ...none, bps: 2000 }, 1000)).toMatchObject({ bps: 1000, bps_wr: 0 });
    expect(slower({ ...none, bps_wr: 500, bps_wr_max: 900, iops_wr_max: 7 }, 100)).toEqual({
      ...none,
      bps_wr: 100,
      iops_wr_max: 7,
    });
  });
});
