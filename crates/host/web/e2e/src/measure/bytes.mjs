// What the console's bundle takes: what its first page loads, and all of it.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const BUNDLE = resolve(import.meta.dirname, '../../../console/dist');

/** @returns {Array<{ name: string, minified: number, gzip: number, brotli: number }>} */
export function consoleBytes() {
  const all = readdirSync(BUNDLE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const page = readFileSync(join(BUNDLE, 'index.html'), 'utf8');
  const first = all.filter((file) => file.endsWith('index.html') || page.includes(file.slice(BUNDLE.length + 1).replaceAll('\\', '/')));
  return [sum('console, first page', first), sum('console, all pages', all)];
}

/** @param {string} name @param {string[]} files */
function sum(name, files) {
  const total = { name, minified: 0, gzip: 0, brotli: 0 };
  for (const file of files) {
    const bytes = readFileSync(file);
    total.minified += bytes.length;
    total.gzip += gzipSync(bytes, { level: 9 }).length;
    total.brotli += brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
  }
  return total;
}
