// `npm run size -w packages/client`: what a page has to load for the client, in bytes.
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const ENTRIES = {
  client: `export { Client } from '@dxos-rs/client'`,
  'client, all exports': `export * from '@dxos-rs/client'`,
  'codemirror binding': `export * from '@dxos-rs/client/codemirror'`,
  'react hooks, without the client': `export * from '@dxos-rs/react-client'`,
};

const rows = [];
for (const [name, contents] of Object.entries(ENTRIES)) {
  const external = ['react', 'react/*', '@codemirror/*', 'ws'];
  if (name.startsWith('react')) external.push('@dxos-rs/client');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['dxos-source'],
    external,
  });
  const code = outputFiles[0].contents;
  const brotli = brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  rows.push({ name, minified: code.length, gzip: gzipSync(code, { level: 9 }).length, brotli: brotli.length });
}

if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
else {
  const line = (...cells) => cells.map((cell, at) => (at === 0 ? String(cell).padEnd(34) : String(cell).padStart(10))).join('');
  console.log(line('bytes', 'minified', 'gzip', 'brotli'));
  for (const { name, minified, gzip, brotli } of rows) console.log(line(name, minified, gzip, brotli));
}
