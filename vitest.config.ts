import { defineConfig } from 'vitest/config';

/** `npm test`: all but test/slow. `npm run test:slow` (mode slow): that alone. */
export default defineConfig(({ mode }) => ({
  test: {
    include: [mode === 'slow' ? 'test/slow/**/*.test.ts' : 'test/!(slow)/**/*.test.ts'],
    testTimeout: mode === 'slow' ? 300_000 : 60_000,
    hookTimeout: mode === 'slow' ? 300_000 : 60_000,
    pool: 'forks',
    fileParallelism: mode !== 'slow',
  },
}));
