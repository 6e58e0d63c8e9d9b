import * as z from 'zod';
import { count, hostRef, migrationId, vmName } from '../../core/api/names.ts';

const migration = { migration: migrationId, run: count };
const vm = { ...migration, vm: vmName };

/** The tasks that token states post; `round` is of running VMs. */
export const TASK_STATES = ['survey', 'seed', 'fetch', 'round', 'cutover', 'follow'] as const;

/** What a state of the workflow caught. */
const caught = z.object({ Error: z.string().nullish(), Cause: z.string().nullish() });
export type Caught = z.infer<typeof caught>;

/** What the workflow's Lambda states say (infra/workflow): keys and counts only, everything else is in the records. */
export const stepInput = z.discriminatedUnion('step', [
  z.object({ step: z.literal('prepare'), ...migration }),
  z.object({ step: z.literal('plan'), ...migration }),
  z.object({
    step: z.literal('dispatch'),
    ...migration,
    kind: z.enum(TASK_STATES),
    /** The host or the VM that the task is about. */
    what: z.union([hostRef, vmName]),
    token: z.string().min(1).max(2048),
  }),
  z.object({ step: z.literal('decide'), ...vm, round: count }),
  z.object({ step: z.literal('verify'), ...vm }),
  z.object({ step: z.literal('commit'), ...vm }),
  z.object({ step: z.literal('rollback-vm'), ...vm, error: caught }),
  z.object({ step: z.literal('rollback'), ...migration, error: caught }),
  z.object({ step: z.literal('finish'), ...migration, round: count }),
  /** Not of a state: an event tells it (infra/requests.ts). */
  z.object({ step: z.literal('ended'), execution: z.string().regex(/^m[0-9a-f]{20}(-[1-9]\d{0,3})?$/) }),
]);
export type StepInput = z.infer<typeof stepInput>;
export type Step = StepInput['step'];
export type InputOf<S extends Step> = Extract<StepInput, { step: S }>;
