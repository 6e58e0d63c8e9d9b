import { LayerMoverError } from '../../core/errors.ts';
import type { VmDisk, VmImage } from '../images/vm-files.ts';

/** A VM that runs: its disks by the names of their nodes, and how its QEMU is asked. */
export interface RunningImage extends VmImage {
  readonly qmp: string;
  readonly disks: readonly RunningDisk[];
}

export type RunningDisk = VmDisk & { readonly node: string };

/** Errors: VM_NOT_RUNNING. */
export function runningImage({ name, qmp, disks }: VmImage): RunningImage {
  const running = disks.filter((disk): disk is RunningDisk => disk.node !== undefined);
  if (qmp !== undefined && running.length === disks.length) return { name, qmp, disks: running };
  throw new LayerMoverError('VM_NOT_RUNNING', `nobody has told how to ask the QEMU of ${name}`, {
    hint: '`layermover vm add NAME --qmp SOCKET --disk NODE=FILE` tells; a stopped VM is migrated without --live',
    data: { vm: name },
  });
}
