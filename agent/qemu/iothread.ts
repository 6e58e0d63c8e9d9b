import { dirname } from 'node:path/posix';
import * as z from 'zod';
import { ask } from './ask.ts';
import type { Qmp } from './qmp.ts';

const properties = z.array(z.looseObject({ name: z.string() }));
/** Properties by which a device, or the controller that it hangs on, is given to iothreads. */
const IOTHREAD_PROPERTIES = ['iothread', 'iothread-vq-mapping'];
/** Devices that run in the main loop, whatever else the VM has. */
const NEVER = /^(ide-|floppy|usb-|sd-card|nvme|pflash|cfi\.)/;

/**
 * Whether a disk's device, or its controller, runs in an iothread; undefined if that can't be told.
 * Errors: QMP_REFUSED and those of Qmp.execute.
 */
export async function runsInIothread(
  qmp: Qmp,
  qdev: string,
  signal: AbortSignal,
): Promise<{ device: string; iothread: boolean | undefined }> {
  const device = await textOf(qmp, qdev, 'type', signal);
  const iothreads = await ask(qmp, z.array(z.unknown()), 'query-iothreads', {}, { signal });
  if (iothreads.length === 0 || NEVER.test(device)) return { device, iothread: false };
  const owner = device.startsWith('scsi-') ? dirname(await textOf(qmp, qdev, 'parent_bus', signal)) : qdev;
  return { device, iothread: await isGivenToOne(qmp, owner, signal) };
}

async function isGivenToOne(qmp: Qmp, path: string, signal: AbortSignal): Promise<boolean | undefined> {
  const had = (await ask(qmp, properties, 'qom-list', { path }, { signal })).map(({ name }) => name);
  const names = IOTHREAD_PROPERTIES.filter((name) => had.includes(name));
  if (names.length === 0) return undefined;
  for (const property of names) {
    const value = await qmp.execute('qom-get', { path, property }, { signal });
    if (value !== '' && value !== null && !(Array.isArray(value) && value.length === 0)) return true;
  }
  return false;
}

function textOf(qmp: Qmp, path: string, property: string, signal: AbortSignal): Promise<string> {
  return ask(qmp, z.string(), 'qom-get', { path, property }, { signal });
}
