import type { LauncherFile } from '../../agent/launch/template.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';

/** What `makeChain`'s guest, or one with so many MiB of memory, runs on. */
export function machineOf(memory: number): string[] {
  return ['-machine', 'q35,accel=tcg', '-m', String(memory), '-nodefaults', '-display', 'none'];
}

/** A launcher for guests on such a machine, under software emulation, their disk a virtio one. */
export function launcherOf(machine: readonly string[]): LauncherFile {
  const disk = {
    driver: 'qcow2',
    'node-name': 'disk0',
    discard: 'unmap',
    file: { driver: 'file', filename: '{disk:ud}', discard: 'unmap' },
  };
  return {
    command: [
      ...[QEMU, ...machine, '-qmp', 'unix:{qmp},server=on,wait=off'],
      ...['-blockdev', disk, '-device', 'virtio-blk-pci,id=vd0,drive=disk0'],
      ['-incoming', '{incoming}'],
    ],
  };
}
