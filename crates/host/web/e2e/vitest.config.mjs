import { defineConfig } from 'vitest/config';

// Real processes and real browsers: one file after the other, so that none waits for the other's
// share of the machine.
export default defineConfig({
  test: {
    include: ['test/**/*.test.mjs'],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // Each step of a story begins where the one before it ended.
    bail: process.env.KEEP_GOING ? 0 : 1,
  },
});
