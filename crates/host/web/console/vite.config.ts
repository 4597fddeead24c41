import { defineConfig, defaultClientConditions } from 'vite';

// The bundle is committed and compared with a fresh build: nothing in it may depend on when or
// where it was built.
export default defineConfig({
  base: '/',
  resolve: { conditions: ['dxos-source', ...defaultClientConditions] },
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    target: 'es2022',
    outDir: process.env.CONSOLE_OUT_DIR ?? 'dist',
    emptyOutDir: true,
    sourcemap: false,
    // What is small is a file all the same: the host's policy allows no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
