// The browser that the tests drive: Debian's Chromium, or whichever one is named.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/**
 * Where a browser is: what `CHROMIUM_BIN` says, or where one usually is.
 *
 * @returns {string | undefined}
 */
export function findBrowser() {
  const named = process.env['CHROMIUM_BIN'];
  if (named) return existsSync(named) ? named : undefined;
  return PLACES.find((place) => existsSync(place));
}

/**
 * Installs Debian's Chromium, where this user may install packages.
 *
 * @returns {string} why there is no browser, empty when there is one
 */
export function installBrowser() {
  if (findBrowser() !== undefined) return '';
  const hint = 'install Chromium, or set CHROMIUM_BIN to a browser';
  if (process.env['CHROMIUM_BIN']) return `there is no file at CHROMIUM_BIN; ${hint}`;
  if (!existsSync('/usr/bin/apt-get')) return `there is no browser, and no apt-get to install one with; ${hint}`;
  if (process.getuid?.() !== 0) return `there is no browser, and only root may install one; ${hint}`;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (/** @type {string[]} */ ...args) => spawnSync('apt-get', args, { env, stdio: ['ignore', 2, 2] }).status === 0;
  const install = () => run('install', '-y', '--no-install-recommends', 'chromium');
  if (!install() && !(run('update') && install())) return `apt-get could not install chromium; ${hint}`;
  return findBrowser() === undefined ? `chromium was installed and is not where it should be; ${hint}` : '';
}

/** Starts the browser. */
export function launchBrowser() {
  const executablePath = findBrowser();
  if (executablePath === undefined) throw new Error('there is no browser: npm run browser -w e2e');
  // Chromium has no sandbox for root, and containers have little shared memory.
  const args = ['--disable-dev-shm-usage', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
  // A page that is not served from this machine, as with CONSOLE_DIST, may not speak to it.
  if (process.env['CONSOLE_DIST']) args.push('--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets');
  return chromium.launch({ executablePath, args });
}
