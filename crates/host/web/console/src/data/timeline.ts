/** What `sim --timeline` writes, read with care: a file may hold anything. */

/** Something that happened in a simulated world. */
export interface Moment {
  readonly atMs: number;
  readonly what: string;
  readonly peers: readonly number[];
}

/** What a peer sent in one second. */
export interface Traffic {
  readonly second: number;
  readonly from: number;
  readonly to: number;
  readonly frames: number;
  readonly bytes: number;
}

/** A world from its beginning to its end. */
export interface Timeline {
  readonly seed: string;
  readonly hash: string;
  readonly endMs: number;
  readonly violation: string | undefined;
  readonly peers: number;
  readonly moments: readonly Moment[];
  readonly traffic: readonly Traffic[];
}

const FORMAT = 'dxos-sim-timeline/1';
export const TIMELINE_BYTES_MAX = 32 * 1024 * 1024;
const PEERS_MAX = 256;
const MOMENTS_MAX = 20_000;
const TRAFFIC_MAX = 200_000;

/**
 * Reads a timeline.
 *
 * @throws {Error} that says what is wrong with it.
 */
export function parseTimeline(text: string): Timeline {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error('this file is not JSON: choose one that `sim --timeline` wrote');
  }
  const document = fields(read, 'the file');
  if (document['format'] !== FORMAT) throw new Error(`this file is not of the format ${FORMAT}: choose one that \`sim --timeline\` of this version wrote`);
  const timeline = fields(document['timeline'], '`timeline`');
  const peers = number(timeline['peers'], '`peers`');
  if (peers < 1 || peers > PEERS_MAX) throw new Error(`a timeline has between 1 and ${PEERS_MAX} peers, and this one ${peers}`);
  const peer = (value: unknown): number => {
    const index = number(value, 'a peer');
    if (index >= peers) throw new Error(`there is no peer ${index} among ${peers}`);
    return index;
  };
  const moments = list(timeline['moments'], '`moments`', MOMENTS_MAX).map((value): Moment => {
    const moment = fields(value, 'a moment');
    return {
      atMs: number(moment['atMs'], '`atMs`'),
      what: String(moment['what']).slice(0, 40),
      peers: list(moment['peers'], '`peers` of a moment', PEERS_MAX).map(peer),
    };
  });
  const traffic = list(timeline['traffic'], '`traffic`', TRAFFIC_MAX).map((value): Traffic => {
    const sent = fields(value, 'traffic');
    return {
      second: number(sent['second'], '`second`'),
      from: peer(sent['from']),
      to: peer(sent['to']),
      frames: number(sent['frames'], '`frames`'),
      bytes: number(sent['bytes'], '`bytes`'),
    };
  });
  const { violation } = document;
  return {
    seed: String(document['seed']).slice(0, 40),
    hash: String(document['hash']).slice(0, 64),
    endMs: moments.reduce((end, { atMs }) => Math.max(end, atMs), Math.max(1, number(document['virtualMs'], '`virtualMs`'))),
    violation: typeof violation === 'string' ? violation : undefined,
    peers,
    moments: moments.sort((one, other) => one.atMs - other.atMs),
    traffic,
  };
}

function fields(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string, max: number): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  if (value.length > max) throw new Error(`${what} has ${value.length} entries, and more than ${max} are not shown: run fewer steps`);
  return value as unknown[];
}

function number(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Error(`${what} is no count`);
  return value;
}

/** A while in which something was so. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What state a peer was in, and when. */
export interface Life {
  readonly running: readonly Span[];
  readonly offline: readonly Span[];
  readonly apart: readonly Span[];
}

/** What a client does not run on after. */
const ENDS = new Set(['stopped', 'killed', 'power-lost', 'restored']);

/** When a peer ran, was offline, and was cut off from others. */
export function lifeOf(timeline: Timeline, peer: number): Life {
  const running = new Spans(timeline.endMs);
  const offline = new Spans(timeline.endMs);
  const apart = new Spans(timeline.endMs);
  for (const { what, atMs, peers } of timeline.moments) {
    if (what === 'healed') apart.end(atMs);
    if (!peers.includes(peer)) continue;
    if (what === 'started') {
      running.begin(atMs);
      offline.end(atMs);
    } else if (ENDS.has(what)) running.end(atMs);
    else if (what === 'offline') offline.begin(atMs);
    else if (what === 'online') offline.end(atMs);
    else if (what === 'partitioned') apart.begin(atMs);
  }
  return { running: running.all(), offline: offline.all(), apart: apart.all() };
}

class Spans {
  readonly #spans: Span[] = [];
  #since: number | undefined;

  constructor(private readonly endMs: number) {}

  begin(atMs: number): void {
    this.#since ??= atMs;
  }

  end(atMs: number): void {
    if (this.#since !== undefined) this.#spans.push({ fromMs: this.#since, toMs: atMs });
    this.#since = undefined;
  }

  all(): readonly Span[] {
    this.end(this.endMs);
    return this.#spans;
  }
}
