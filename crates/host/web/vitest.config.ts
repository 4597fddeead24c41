import { defineConfig } from 'vitest/config';

// The packages are tested from their sources: nothing has to be built first.
const resolve = { conditions: ['dxos-source'] };
const ssr = { resolve: { conditions: ['dxos-source'], externalConditions: ['dxos-source'] } };
// Nothing here is about time: a test ends by itself, also on a machine that does much else.
const testTimeout = 60_000;

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: { name: 'client', root: 'packages/client', include: ['test/*.test.ts'], testTimeout },
      },
      {
        resolve,
        ssr,
        test: { name: 'react-client', root: 'packages/react-client', include: ['test/*.test.ts', 'test/*.test.tsx'], testTimeout },
      },
      {
        resolve,
        ssr,
        test: { name: 'console', root: 'console', include: ['test/*.test.ts'], testTimeout },
      },
      {
        resolve,
        ssr,
        // Real hosts: a few files, one after another.
        test: {
          name: 'integration',
          root: 'packages',
          include: ['*/test/integration/*.test.ts', '*/test/integration/*.test.tsx'],
          fileParallelism: false,
          testTimeout,
          hookTimeout: testTimeout,
        },
      },
    ],
  },
});
