import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { FoundVms, withFound } from '../../agent/live/found-vms.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder, keptLog } from '../agent/support.ts';
import { describeWithGuest, type Guest, makeChain, startGuest } from './qemu.ts';

const folder = eachFolder();
const before = { ...limits };
let guest: Guest | undefined;
let server: Server | undefined;
afterEach(async () => {
  Object.assign(limits, before);
  await guest?.end();
  guest = undefined;
  server?.close();
});

function look() {
  const log = keptLog();
  const images = { path: folder.path(), files: systemFiles };
  return { log, found: new FoundVms({ folder: folder.path(), images, clock: systemClock, log }) };
}

/** A guest of the disks that it is given, whose monitor lies in the folder. */
async function start(...args: string[]): Promise<void> {
  guest = await startGuest(folder.path(), await makeChain(folder.path()), { args });
  // The test's own connection is to another monitor.
  execFileSync('rm', [folder.at('test.sock')]);
}

describeWithGuest('VMs whose QMP sockets lie in a folder', () => {
  it('are found by the names that their QEMUs have, and run no more when the socket has gone', async () => {
    await start('-name', 'web-1');
    writeFileSync(folder.at('notes.txt'), '');
    const { found, log } = look();
    const disks = [expect.objectContaining({ node: 'disk0', top: guest!.top })];
    expect(await found.all()).toEqual([{ name: 'web-1', qmp: guest!.socket, disks }]);
    expect(log.lines).toEqual([]);
    execFileSync('rm', [guest!.socket]);
    expect(await found.all()).toEqual([]);
  });

  it('are called as their sockets where QEMU has no name for them', async () => {
    await start();
    expect(await look().found.all()).toMatchObject([{ name: 'qmp' }]);
  });

  it.each([
    ['a name that no VM has', ['-name', '../../etc/passwd'], 'VM_NAME_REFUSED'],
    [
      'a second disk outside the folder',
      [
        ...['-blockdev', '{"driver":"file","node-name":"out","filename":"/tmp/lm-out.raw"}'],
        ...['-device', 'virtio-blk-pci,drive=out'],
      ],
      'IMAGE_OUTSIDE_FOLDER',
    ],
  ])('with %s are left out, and told of once', async (_, args, code) => {
    writeFileSync('/tmp/lm-out.raw', Buffer.alloc(512));
    await start(...args);
    Object.assign(limits, { qmp_refused_again_ms: 0, qmp_sockets_at_once: 1 });
    const { found, log } = look();
    expect(await found.all()).toEqual([]);
    expect(await found.all()).toEqual([]);
    expect(log.lines).toMatchObject([{ fields: { error: { code } } }]);
  });

  it('keep nobody waiting who do not answer', async () => {
    Object.assign(limits, { qmp_connect_ms: 200 });
    server = createServer(() => undefined).listen(folder.at('silent.sock'));
    const { found, log } = look();
    expect(await found.all()).toEqual([]);
    expect(log.lines).toMatchObject([{ fields: { error: { code: 'QMP_UNREACHABLE' } } }]);
    const beganMs = systemClock.nowMs();
    Object.assign(limits, { qmp_refused_again_ms: 0 });
    expect(await found.all()).toEqual([]);
    expect(systemClock.nowMs() - beganMs).toBeLessThan(150);
  });

  it('count less than those that somebody has told of', () => {
    const told = [{ name: 'a', disks: [{ top: '/1' }] }];
    const found = [
      { name: 'a', disks: [{ top: '/2' }] },
      { name: 'b', disks: [{ top: '/3' }, { top: '/1' }] },
      { name: 'c', disks: [{ top: '/4' }] },
    ];
    expect(withFound(told, found).map(({ name }) => name)).toEqual(['a', 'c']);
  });
});
