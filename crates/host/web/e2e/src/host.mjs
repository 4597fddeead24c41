// Real hosts, as processes. `DX_BIN` says where `dx` is; `target/debug/dx` when it is not set.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = resolve(import.meta.dirname, '../../../../..');

function binary() {
  const path = process.env['DX_BIN'] ?? join(ROOT, 'target/debug/dx');
  if (!existsSync(path)) throw new Error(`there is no ${path}: cargo build -p dxos-cli, or set DX_BIN`);
  return path;
}

/** Settings of whoever runs this are none of the host's. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DX_')));
}

/** A host with a profile in a directory of its own. */
export class Host {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process;
  /** @type {{ url: string, token: string } | undefined} */
  #ready;
  profile = mkdtempSync(join(tmpdir(), 'dxos-e2e-'));

  static async start() {
    const host = new Host();
    await host.start();
    return host;
  }

  /** The address that opens the console once. */
  get url() {
    return this.#ready?.url ?? '';
  }

  /** The address without its token. */
  get origin() {
    return this.url.split('/#')[0] ?? '';
  }

  /** Starts it, at the port that it had before. */
  async start() {
    const child = spawn(binary(), ['host', '--json', '--profile', this.profile, '--listen', '127.0.0.1:0'], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    let errors = '';
    child.stderr.on('data', (text) => (errors = (errors + text).slice(-4000)));
    this.#ready = await new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`dx host ended with ${code}: ${errors}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = JSON.parse(line);
        if (event.event === 'ready') resolve(event);
      });
    });
  }

  /**
   * Runs another command on its profile, while it is stopped.
   *
   * @param {string[]} command
   */
  run(command) {
    return execFileSync(binary(), [...command, '--profile', this.profile], { env: environment(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /**
   * Ends it as Ctrl-C does, or at once.
   *
   * @param {'SIGINT' | 'SIGKILL'} signal
   */
  async stop(signal = 'SIGINT') {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Ends it and deletes its profile. */
  async remove() {
    await this.stop('SIGKILL');
    rmSync(this.profile, { recursive: true, force: true });
  }
}
