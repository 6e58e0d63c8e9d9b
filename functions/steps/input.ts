import { z } from 'zod';
import { count, hostRef, migrationId, vmName } from '../../core/api/names.ts';

const migration = { migration: migrationId };
const vm = { ...migration, vm: vmName };
const token = z.string().min(1).max(2048);

/** What a state of the workflow caught. */
export const caught = z.object({ Error: z.string().nullish(), Cause: z.string().nullish() });
export type Caught = z.infer<typeof caught>;

/** What the workflow's Lambda states say (infra/workflow); keys and counts only, everything else is in the records. */
export const stepInput = z.discriminatedUnion('step', [
  z.object({ step: z.literal('prepare'), ...migration }),
  z.object({ step: z.literal('plan'), ...migration }),
  z.object({ step: z.literal('dispatch'), ...migration, token, kind: z.enum(['survey', 'seed']), host: hostRef }),
  z.object({ step: z.literal('dispatch'), ...migration, token, kind: z.literal('fetch') }),
  z.object({ step: z.literal('dispatch'), ...vm, token, kind: z.enum(['round', 'cutover', 'follow']) }),
  z.object({ step: z.literal('decide'), ...vm, round: count }),
  z.object({ step: z.literal('verify'), ...vm }),
  z.object({ step: z.literal('commit'), ...vm }),
  z.object({ step: z.literal('rollback-vm'), ...vm, error: caught }),
  z.object({ step: z.literal('rollback'), ...migration, error: caught }),
  z.object({ step: z.literal('finish'), ...migration, round: count }),
]);
export type StepInput = z.infer<typeof stepInput>;
export type Step = StepInput['step'];
export type InputOf<S extends Step> = Extract<StepInput, { step: S }>;
