import type { MigrationRecord } from '../../../core/records.ts';
import type { StepInput } from '../../../functions/steps/input.ts';
import { createEnrolledCloud, MIGRATION } from './cloud.ts';
import { chain } from './samples.ts';

export const RECORD: MigrationRecord = {
  id: MIGRATION,
  namespace: 'default',
  requestId: 'request-1',
  vmNames: ['web-2', 'web-1'],
  to: 'b/h2',
  policy: 'auto',
  chunkBytes: 65_536,
  run: 1,
  state: 'requested',
  createdMs: 1,
  updatedMs: 1,
};

type Given = StepInput extends infer S
  ? S extends StepInput
    ? Omit<S, 'migration' | 'run'> & { run?: number }
    : never
  : never;

/** A cloud with one migration, whose steps a test calls as the workflow does. */
export async function createStepped(change: Partial<MigrationRecord> = {}) {
  const cloud = await createEnrolledCloud();
  await cloud.migrations.create({ ...RECORD, ...change });
  const step = (input: Given) => cloud.step({ migration: MIGRATION, run: 1, ...input });
  const vms = () => cloud.migrations.vms(MIGRATION);

  return {
    cloud,
    step,
    vms,
    /** The error's name that a step fails with; undefined if it does not. */
    fails: async (input: Given) => {
      const error = await step(input).then(
        () => undefined,
        (thrown: Error) => thrown,
      );
      return error?.name;
    },
    record: () => cloud.migrations.find(MIGRATION),
    vmOf: async (name: string) => (await vms()).find((vm) => vm.name === name),
    ownership: (vm: string) => cloud.vms.find('default', vm),
    /** Prepared and planned, every VM a chain of three. */
    planned: async () => {
      await step({ step: 'prepare' });
      for (const name of RECORD.vmNames)
        await cloud.migrations.updateVm(MIGRATION, { name, run: 1 }, { surveyed: chain(name) });
      return await step({ step: 'plan' });
    },
  };
}

export type Stepped = Awaited<ReturnType<typeof createStepped>>;
