const count = new Intl.NumberFormat('en');
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A count with its thousands apart. */
export function formatCount(value: number): string {
  return count.format(value);
}

/** So many of something. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}

/** Bytes in the unit that fits. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A duration, in its two largest units. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return plural(Math.floor(hours / 24), 'day');
}

/** How long ago it was, or how long until it is. */
export function formatAgo(timeMs: number, nowMs: number): string {
  const ms = nowMs - timeMs;
  const seconds = Math.abs(ms) / 1000;
  const say = (text: string) => (ms < 0 ? `in ${text}` : `${text} ago`);
  // Clocks differ, and the page's own moves in steps.
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return say(`${Math.max(1, Math.round(seconds / 60))} min`);
  if (seconds < 86_400) return say(`${Math.round(seconds / 3600)} h`);
  if (seconds < 86_400 * 30) return say(plural(Math.round(seconds / 86_400), 'day'));
  return formatMoment(timeMs);
}

/** A date with its time. */
export function formatMoment(timeMs: number): string {
  return Number.isFinite(timeMs) && Math.abs(timeMs) <= 8.64e15 ? moment.format(timeMs) : 'no date';
}

/** The beginning of a key: enough to tell it from others. */
export function shortKey(key: string): string {
  return key.length > 10 ? `${key.slice(0, 8)}…` : key;
}

/** A hue for a key, the same each time. */
export function hueOf(key: string): number {
  let hash = 7;
  for (let at = 0; at < key.length; at += 1) hash = (hash * 31 + key.charCodeAt(at)) % 360_000;
  return hash % 360;
}

/** A type's name without its domain and version. */
export function shortType(type: string): string {
  const name = type.split('@')[0] ?? type;
  return name.split('/').pop() || type;
}

/** A word as a label: `dueDate` becomes `Due date`. */
export function labelOf(name: string): string {
  const words = name.replace(/[_-]+/g, ' ').replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
