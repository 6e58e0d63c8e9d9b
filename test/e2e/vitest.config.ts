import { defineConfig } from 'vitest/config';

const settings = {
  testTimeout: 180_000,
  hookTimeout: 180_000,
  pool: 'forks',
  // Each file has hosts of its own, and all share the machine.
  fileParallelism: false,
} as const;

const EVERYWHERE = 'test/e2e/*.e2e.ts';

/** What only one emulator is asked, by the mode of that name, in this order: the last one of LocalStack's removes the stack. */
const GROUPS: Readonly<Record<string, string[]>> = {
  localstack: [
    EVERYWHERE,
    'test/e2e/localstack/*.e2e.ts',
    'test/e2e/localstack/life/update.e2e.ts',
    'test/e2e/localstack/life/schedule.e2e.ts',
    'test/e2e/localstack/life/removal.e2e.ts',
  ],
  ministack: ['test/e2e/refusals.e2e.ts', 'test/e2e/ministack/*.e2e.ts'],
};

/** The end-to-end suite, on the cloud that LAYERMOVER_CLOUD names; without it, on an embedded one. */
export default defineConfig(({ mode }) => {
  // Groups run in this order; what is of group 0 would run last of all.
  const projects = (GROUPS[mode] ?? [EVERYWHERE]).map((files, at) => ({
    test: { ...settings, name: `${at + 1}`, include: [files], sequence: { groupOrder: at + 1 } },
  }));
  return { test: { projects } };
});
