import type { LauncherFile } from '../../agent/launch/template.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';

/** A launcher for guests on a q35 under software emulation with so many MiB of memory, their disk a virtio one; `more` is added. */
export function launcherOf(memory: number, more: readonly string[] = []): LauncherFile {
  const disk = {
    driver: 'qcow2',
    'node-name': 'disk0',
    discard: 'unmap',
    file: { driver: 'file', filename: '{disk:ud}', discard: 'unmap' },
  };
  return {
    command: [
      ...[QEMU, '-machine', 'q35,accel=tcg', '-m', String(memory), '-nodefaults', '-display', 'none'],
      ...['-qmp', 'unix:{qmp},server=on,wait=off'],
      ...['-blockdev', disk, '-device', 'virtio-blk-pci,id=vd0,drive=disk0,bootindex=0'],
      ['-incoming', '{incoming}'],
      ...more,
    ],
  };
}
