import { defineConfig } from 'vite';

export default defineConfig({
  // The packages of this repository are taken from their sources.
  resolve: { conditions: ['dxos-source', 'module', 'browser', 'development|production'] },
  esbuild: { jsx: 'automatic' },
});
