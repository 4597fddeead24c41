// Builds the console anew, and compares it with the bundle that is committed: the host embeds
// what stands in the source, and nothing else.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = resolve(fileURLToPath(new URL('..', import.meta.url)));

async function hashes(directory) {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const entries = files
    .filter((file) => file.isFile())
    .map(async (file) => {
      const path = join(file.parentPath, file.name);
      const hash = createHash('sha256').update(await readFile(path)).digest('hex');
      return [relative(directory, path), hash];
    });
  return new Map(await Promise.all(entries));
}

const fresh = await mkdtemp(join(tmpdir(), 'console-'));
try {
  await build({ root, logLevel: 'error', build: { outDir: fresh, emptyOutDir: true } });
  const [committed, built] = [await hashes(join(root, 'dist')), await hashes(fresh)];
  const names = new Set([...committed.keys(), ...built.keys()]);
  const differ = [...names].filter((name) => committed.get(name) !== built.get(name)).sort();
  if (differ.length > 0) {
    console.error('the committed bundle is not what the source builds:');
    for (const name of differ) console.error(`  ${name}`);
    console.error('run `npm run build -w console` in crates/host/web, and commit console/dist');
    process.exitCode = 1;
  } else {
    console.log(`the bundle is what the source builds: ${built.size} files`);
  }
} finally {
  await rm(fresh, { recursive: true, force: true });
}
