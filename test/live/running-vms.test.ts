import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ImageFolder } from '../../agent/images/image-folder.ts';
import { RunningVms } from '../../agent/images/running-vms.ts';
import { VmFiles } from '../../agent/images/vm-files.ts';
import { disksOf } from '../../agent/qemu/disks.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder } from '../agent/support.ts';
import { call } from '../bin/command.ts';
import { describeWithGuest, type Guest, IOTHREAD_DEVICE, IOTHREAD_SCSI_DEVICE, makeChain, startGuest } from './qemu.ts';
import { MIGRATION, Stage } from './stage.ts';

const folder = eachFolder();
let guest: Guest | undefined;
afterEach(async () => {
  await guest?.end();
  guest = undefined;
});

describe('a running VM that is told of', () => {
  it('is announced by its name, and its image by no other; until it is forgotten', async () => {
    for (const name of ['a.raw', 'b.raw']) writeFileSync(folder.at(name), '');
    const running = new RunningVms(folder.at('.layermover', 'running'), folder.path());
    const arrived = await VmFiles.open(folder.at('.layermover', 'vms'), folder.path());
    await arrived.put({ name: 'came', disks: [{ top: folder.at('a.raw'), kinds: ['ud'] }] }, MIGRATION);
    const images = new ImageFolder(folder.path(), { arrived, running, notVms: () => new Set() });
    expect((await images.vms()).map(({ name }) => name)).toEqual(['b', 'came']);
    await running.put({ name: 'web', qmp: '/run/web', disks: [{ node: 'n', top: folder.at('a.raw') }] });
    await running.put({ name: 'b', qmp: '/run/b', disks: [{ node: 'n', top: folder.at('b.raw') }] });
    expect(await images.vms()).toEqual([
      { name: 'b', qmp: '/run/b', disks: [{ node: 'n', top: folder.at('b.raw') }] },
      { name: 'web', qmp: '/run/web', disks: [{ node: 'n', top: folder.at('a.raw'), kinds: ['ud'] }] },
    ]);
    expect(await running.remove('web')).toBe(true);
    expect(await running.remove('web')).toBe(false);
    expect((await images.vms()).map(({ name }) => name)).toEqual(['b', 'came']);
  });

  it('of several disks is told of by the names of their nodes, or those that they came with', async () => {
    const running = new RunningVms(folder.at('running'), folder.path());
    const disks = [
      { node: 'n0', top: folder.at('a.raw') },
      { node: 'n1', top: folder.at('b.raw'), disk: 'log' },
    ];
    await running.put({ name: 'web', qmp: '/run/web', disks });
    expect((await running.all())[0]!.disks).toMatchObject([
      { disk: 'n0', node: 'n0' },
      { disk: 'log', node: 'n1' },
    ]);
    await running.outdate(
      'web',
      disks.map(({ top }) => top),
    );
    expect(await running.all()).toHaveLength(1);
    await running.outdate('web', [folder.at('c.raw')]);
    expect(await running.all()).toEqual([]);
  });

  it('has vm_disks_max disks at the most; a file that nobody wrote so is refused', async () => {
    const running = new RunningVms(folder.at('running'), folder.path());
    const disks = Array.from({ length: limits.vm_disks_max + 1 }, (_, at) => ({ node: `n${at}`, top: folder.at('a') }));
    await running.put({ name: 'web', qmp: '/run/web', disks: disks.slice(1) });
    expect(await running.records()).toHaveLength(1);
    await running.put({ name: 'web', qmp: '/run/web', disks });
    await expect(running.records()).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
  });
});

const add = (socket: string, ...more: string[]) =>
  call('vm', 'add', 'web-1', '--images', folder.path(), '--qmp', socket, '--json', ...more);
const codeOf = ({ lines }: Awaited<ReturnType<typeof add>>) =>
  (lines().at(-1) as { error: { code: string } }).error.code;

describeWithGuest('layermover vm', () => {
  it('add, list and rm', async () => {
    guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')));
    const added = await add(guest.socket, '--disk', `disk0=${guest.top}`);
    expect(added.lines()).toMatchObject([{ message_type: 'vm', vm: { name: 'web-1', qmp: guest.socket } }]);
    const listed = await call('vm', 'list', '--images', folder.path());
    expect(listed.stdout).toContain('top.qcow2');
    expect((await call('vm', 'rm', 'web-1', '--images', folder.path())).code).toBe(0);
    expect((await call('vm', 'rm', 'web-1', '--images', folder.path())).code).toBe(3);
  });

  it('add refuses what is not so, and a cold migration of what runs stays refused', async () => {
    const top = await makeChain(folder.at('.'));
    guest = await startGuest(folder.at('.'), top);
    expect(codeOf(await add(guest.socket, '--disk', `disk1=${top}`))).toBe('VM_DISK_OTHER');
    expect(codeOf(await add(guest.socket, '--disk', `disk0=${folder.at('env.qcow2')}`))).toBe('VM_DISK_OTHER');
    expect(codeOf(await add(guest.socket))).toBe('USAGE');
    expect(codeOf(await add(folder.at('none.sock'), '--disk', `disk0=${top}`))).toBe('QMP_UNREACHABLE');
    mkdirSync(folder.at('elsewhere'));
    const outside = ['--images', folder.at('elsewhere'), '--qmp', guest.socket, '--disk', `disk0=${top}`, '--json'];
    expect(codeOf(await call('vm', 'add', 'web-1', ...outside))).toBe('IMAGE_OUTSIDE_FOLDER');
    const stage = new Stage(folder);
    await stage.start();
    await stage.noteVm(guest.socket, top);
    const about = {
      migration: MIGRATION,
      run: 1,
      chunk_bytes: 65_536,
      policy: 'auto' as const,
      vms: [{ name: 'web-1' }],
    };
    await expect(stage.task({ kind: 'survey', ...about })).rejects.toMatchObject({ code: 'IMAGE_HELD' });
    expect(await stage.survey()).toMatchObject({
      vms: [{ layers: [{ name: 'base.qcow2' }, { name: 'env.qcow2' }, { name: 'top.qcow2' }] }],
    });
    await stage.close();
  });

  it.each<[string, string[], string]>([
    [
      'a second disk that nobody has told of',
      ['-device', 'virtio-blk-pci,drive=disk0', '-device', 'virtio-blk-pci,drive=disk1'],
      'DISKS_UNNAMED',
    ],
  ])('%s is refused before anything is touched', async (_, device, code) => {
    const top = await makeChain(folder.at('.'));
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', folder.at('second.qcow2'), '1M']);
    const second = {
      driver: 'qcow2',
      'node-name': 'disk1',
      file: { driver: 'file', filename: folder.at('second.qcow2') },
    };
    guest = await startGuest(folder.at('.'), top, { device, args: ['-blockdev', JSON.stringify(second)] });
    expect(codeOf(await add(guest.socket, '--disk', `disk0=${top}`))).toBe(code);
    const stage = new Stage(folder);
    await stage.start();
    await stage.noteVm(guest.socket, top);
    await expect(stage.survey()).rejects.toMatchObject({ code });
    await stage.close();
    expect((await disksOf(guest.qmp)).flatMap(({ bitmaps }) => bitmaps)).toEqual([]);
    expect(await guest.qmp.execute('query-block-exports')).toEqual([]);
    expect(await guest.qmp.execute('query-status')).toMatchObject({ running: true });
  });

  it.each([
    ['virtio-blk', IOTHREAD_DEVICE],
    ['virtio-scsi', IOTHREAD_SCSI_DEVICE],
  ])('a disk of %s in an iothread can be read', async (_, device) => {
    const top = await makeChain(folder.at('.'));
    guest = await startGuest(folder.at('.'), top, { device });
    expect((await add(guest.socket, '--disk', `disk0=${top}`)).code).toBe(0);
    expect(await guest.qmp.execute('query-block-jobs')).toEqual([]);
  });

  it('a disk in the main loop of a VM that has iothreads for others can be read', async () => {
    const top = await makeChain(folder.at('.'));
    const device = [
      '-object',
      'iothread,id=io0',
      '-device',
      'virtio-scsi-pci,id=s0',
      '-device',
      'scsi-hd,id=sd0,drive=disk0,bus=s0.0',
    ];
    guest = await startGuest(folder.at('.'), top, { device });
    expect((await add(guest.socket, '--disk', `disk0=${top}`)).code).toBe(0);
  });
});
