import { defineConfig } from 'vitest/config';

/**
 * The end-to-end suite, on the cloud that LAYERMOVER_CLOUD names; without it, on an embedded one. `--mode localstack` adds
 * what only LocalStack is asked.
 */
export default defineConfig(({ mode }) => ({
  test: {
    include: mode === 'localstack' ? ['test/e2e/**/*.e2e.ts'] : ['test/e2e/*.e2e.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // Each file has hosts of its own, and all share the machine.
    fileParallelism: false,
  },
}));
