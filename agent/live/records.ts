import * as z from 'zod';
import { count, migrationId, taskId, vmName } from '../../core/api/names.ts';
import { CUTOVERS } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';

/** What a running VM's QEMU was asked to do, noted before it is, so that a later run of the agent can take it back. */
export const liveRecord = z.object({
  vm: vmName,
  migration: migrationId,
  /** Path of the QMP monitor's socket. */
  qmp: z.string(),
  /** Its disks’ devices, and their limits as they were. */
  disks: z
    .array(z.object({ qdev: z.string(), throttle: z.record(z.string(), z.union([z.number(), z.string()])) }))
    .max(limits.vm_disks_max),
  /** Set while the guest is being handed over. */
  cutover: z.object({ kind: z.enum(CUTOVERS), task: taskId, epoch: count }).optional(),
});
export type LiveRecord = z.infer<typeof liveRecord>;
