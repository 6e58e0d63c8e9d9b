import { defineConfig } from 'vitest/config';

const settings = {
  testTimeout: 180_000,
  hookTimeout: 180_000,
  pool: 'forks',
  // Each file has hosts of its own, and all share the machine.
  fileParallelism: false,
} as const;

/** What only LocalStack is asked, in this order: the last one removes the stack. */
const LOCALSTACK = [
  'test/e2e/localstack/*.e2e.ts',
  'test/e2e/localstack/life/update.e2e.ts',
  'test/e2e/localstack/life/removal.e2e.ts',
];

/**
 * The end-to-end suite, on the cloud that LAYERMOVER_CLOUD names; without it, on an embedded one. `--mode localstack` adds
 * what only LocalStack is asked.
 */
export default defineConfig(({ mode }) => {
  const groups = ['test/e2e/*.e2e.ts', ...(mode === 'localstack' ? LOCALSTACK : [])];
  // Groups run in this order; what is of group 0 would run last of all.
  const projects = groups.map((files, at) => ({
    test: { ...settings, name: `${at + 1}`, include: [files], sequence: { groupOrder: at + 1 } },
  }));
  return { test: { projects } };
});
