import * as z from 'zod';
import { ask } from './ask.ts';
import type { Qmp } from './qmp.ts';

const status = z.looseObject({ status: z.string(), running: z.boolean() });

/** How a VM is: running, paused, finish-migrate, postmigrate, shutdown … Errors: QMP_REFUSED and those of Qmp.execute. */
export async function guestStatus(qmp: Qmp, signal?: AbortSignal): Promise<{ status: string; running: boolean }> {
  return ask(qmp, status, 'query-status', {}, { signal });
}

/** Lets a guest run on that was stopped. One that runs does so on. */
export async function resumeGuest(qmp: Qmp): Promise<void> {
  if (!(await guestStatus(qmp)).running) await qmp.execute('cont');
}

/** Stops a guest; all that it has written is in QEMU's hands when this resolves, and is in its image. */
export async function stopGuest(qmp: Qmp, signal?: AbortSignal): Promise<void> {
  await qmp.execute('stop', {}, { signal });
}

/** Ends a QEMU whose guest has gone elsewhere. Resolves when it has let go of its monitor, or could not be asked any more. */
export async function quit(qmp: Qmp): Promise<void> {
  await qmp.execute('quit').catch(() => undefined);
}
