/** Real hosts, as processes. `DX_BIN` says where `dx` is; `target/debug/dx` when it is not set. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, type ClientOptions, type TokenStorage } from '../../src/index.js';

const ROOT = resolve(import.meta.dirname, '../../../../../../..');

function binary(): string {
  const path = process.env['DX_BIN'] ?? join(ROOT, 'target/debug/dx');
  if (!existsSync(path)) throw new Error(`there is no ${path}: cargo build -p dxos-cli, or set DX_BIN`);
  return path;
}

/** What `dx host --json` says when it is ready. */
interface Ready {
  readonly url: string;
  readonly token: string;
}

/** A host with a profile in a directory of its own. */
export class Host {
  readonly profile: string;
  #process: ChildProcess | undefined;
  #ready: Ready | undefined;

  private constructor(private readonly options: readonly string[]) {
    this.profile = mkdtempSync(join(tmpdir(), 'dxos-web-'));
  }

  static async start(...options: string[]): Promise<Host> {
    const host = new Host(options);
    await host.start();
    return host;
  }

  get url(): string {
    return this.#ready?.url ?? '';
  }

  /** Starts it, at the port that it had before. */
  async start(): Promise<void> {
    const fixed = ['host', '--json', '--profile', this.profile, '--listen', '127.0.0.1:0'];
    // Settings of whoever runs the tests are none of the host's.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DX_')));
    const child = spawn(binary(), [...fixed, ...this.options], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    let errors = '';
    child.stderr.on('data', (text: Buffer) => (errors = (errors + text.toString()).slice(-4000)));
    this.#ready = await new Promise<Ready>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`dx host ended with ${code}: ${errors}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = JSON.parse(line) as Ready & { event: string };
        if (event.event === 'ready') resolve(event);
      });
    });
  }

  /** Ends it as Ctrl-C does, or at once. */
  async stop(signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.profile, { recursive: true, force: true });
  }

  /** A client of it, with the token that it printed. */
  client(options: ClientOptions = {}): Client {
    return new Client({ host: this.url, ...options });
  }
}

/** A token that is kept as long as the test runs. */
export function memoryStorage(): TokenStorage & { token: string | null } {
  return {
    token: null,
    read() {
      return this.token;
    },
    write(token) {
      this.token = token;
    },
  };
}
