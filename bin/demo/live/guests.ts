import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../../../adapters/system/clock.ts';
import { systemProcesses } from '../../../adapters/system/processes.ts';
import type { LauncherFile } from '../../../agent/launch/template.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { acknowledged } from './judge.ts';
import { type Linux, linuxArguments } from './linux.ts';
import { findProgram } from './needs.ts';

const LOOK_MS = 200;
const BOOT_MS = 120_000;

/** The disk of a guest and its device, alike at both sides. `top` may be a placeholder. */
function diskArguments(top: string) {
  const file = { driver: 'file', filename: top, discard: 'unmap' };
  const disk = { driver: 'qcow2', 'node-name': 'disk0', discard: 'unmap', file };
  return { disk, device: ['-device', 'virtio-blk-pci,id=vd0,drive=disk0'] };
}

/** How the destination starts QEMUs of such guests; what they say goes to `<serials>-<name>`. */
export function launcherFor(linux: Linux, serials: string): LauncherFile {
  const { disk, device } = diskArguments('{disk:ud}');
  return {
    command: [
      findProgram('qemu-system-x86_64')!,
      ...linuxArguments(linux, `${serials}-{name}`),
      ...['-qmp', 'unix:{qmp},server=on,wait=off', '-blockdev', disk, ...device],
      ['-incoming', '{incoming}'],
    ],
  };
}

/** A guest at its source. */
export interface SourceGuest {
  readonly name: string;
  readonly serial: string;
  /** Path of its QMP socket. */
  readonly qmp: string;
  readonly kill: () => Promise<void>;
}

export function startGuest(linux: Linux, name: string, top: string, serials: string): SourceGuest {
  const serial = `${serials}-${name}`;
  const qmp = `${serial}.qmp`;
  const { disk, device } = diskArguments(top);
  const args = [...linuxArguments(linux, serial), '-qmp', `unix:${qmp},server=on,wait=off`];
  const child = spawn(findProgram('qemu-system-x86_64')!, [...args, '-blockdev', JSON.stringify(disk), ...device], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  const ended = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return { name, serial, qmp, kill };
}

/** Waits until a guest has acknowledged so many records. Errors: GUEST_SILENT. */
export async function untilAcknowledged(serials: readonly string[], count: number, signal: AbortSignal): Promise<void> {
  for (let ms = 0; ms < BOOT_MS; ms += LOOK_MS) {
    if ((await acknowledged(serials)) >= count) return;
    await systemClock.sleep(LOOK_MS, signal);
  }
  throw new LayerMoverError('GUEST_SILENT', `a guest did not write ${count} records within ${BOOT_MS / 1000} s`, {
    hint: 'without KVM a guest is slow: look how busy this machine is',
    data: { serials },
  });
}

/** Ends the QEMUs that an agent with this state folder started and that run still: they outlive it. */
export async function killLaunched(stateFolder: string): Promise<void> {
  const marks = await readdir(path.join(stateFolder, 'qemu')).catch(() => []);
  for (const mark of marks.filter((name) => name !== 'journal')) await systemProcesses.kill(mark);
}
