import { errorToJson } from '../../../core/errors.ts';
import type { ArrivedTop, Waiting } from '../../images/arrivals.ts';
import type { RunningVm } from '../../images/running-vms.ts';
import type { Guest } from '../../launch/guest.ts';
import { disksOf, type QemuDisk } from '../../qemu/disks.ts';
import type { TaskHost } from '../../tasks/task.ts';

type Host = Pick<TaskHost, 'images' | 'launches' | 'log' | 'running'>;

/**
 * Notes a VM whose guest is here in a VM file, as `layermover vm add` would: so it can move on. Its disks' nodes are called as this
 * host's launcher calls them. Never rejects: a VM that is not noted runs as well.
 */
export async function noteRunning(host: Host, arrived: Waiting, guest: Guest, signal: AbortSignal): Promise<void> {
  const { launches, log, running } = host;
  const { name, migration } = arrived;
  try {
    const launch = launches.find({ migration, vm: name });
    const disks = await nodesOf(host, arrived.disks, await disksOf(guest.qmp, signal));
    if (launch === undefined || disks === undefined) {
      log.warn({ vm: name }, 'its QEMU has other disks than came: `layermover vm add` notes it');
      return;
    }
    await running.put({ name, qmp: launches.qmpPath(launch), disks });
  } catch (error) {
    log.warn({ vm: name, error: errorToJson(error) }, 'the VM runs, and can’t be noted: `layermover vm add` does');
  }
}

/** Undefined if a disk that came is not to be found, or the VM writes to others. */
async function nodesOf(
  { images: { files } }: Host,
  came: readonly ArrivedTop[],
  disks: readonly QemuDisk[],
): Promise<RunningVm['disks'] | undefined> {
  const writable = disks.filter(({ isReadOnly }) => !isReadOnly);
  const paths = await Promise.all(writable.map((disk) => files.resolve(disk.files[0] ?? '')));
  const found = came.flatMap(({ path, vm: { disk } }) => {
    const node = writable[paths.indexOf(path)]?.node;
    return node === undefined ? [] : { node, top: path, ...(disk === undefined ? {} : { disk }) };
  });
  return found.length === came.length && writable.length === came.length ? found : undefined;
}
