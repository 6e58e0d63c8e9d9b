import { defineConfig } from 'vitest/config';

/**
 * The end-to-end suite, on the cloud that LAYERMOVER_CLOUD names; without it, on an embedded one. `--mode localstack` adds
 * what only LocalStack is asked.
 */
export default defineConfig(({ mode }) => ({
  test: {
    root: import.meta.dirname,
    include: mode === 'localstack' ? ['*.e2e.ts', 'localstack/*.e2e.ts'] : ['*.e2e.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // Each file has hosts of its own, and all share the machine.
    fileParallelism: false,
  },
}));
