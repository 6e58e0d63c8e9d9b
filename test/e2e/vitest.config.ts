import { defineConfig } from 'vitest/config';

/** What only one emulator is asked, by the mode of that name; LocalStack is asked all that every cloud is, too. */
const INCLUDE: Readonly<Record<string, string[]>> = {
  localstack: ['test/e2e/*.e2e.ts', 'test/e2e/localstack/*.e2e.ts'],
  ministack: ['test/e2e/refusals.e2e.ts', 'test/e2e/ministack/*.e2e.ts'],
};

/** The end-to-end suite, on the cloud that LAYERMOVER_CLOUD names; without it, on an embedded one. */
export default defineConfig(({ mode }) => ({
  test: {
    include: INCLUDE[mode] ?? ['test/e2e/*.e2e.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // Each file has hosts of its own, and all share the machine.
    fileParallelism: false,
  },
}));
