/** Paths of properties: parts joined with dots; a dot or backslash inside a part stands after a backslash. */
export type Parts = readonly string[];

export function joinPath(parts: Parts): string {
  return parts.map((part) => part.replace(/[\\.]/g, '\\$&')).join('.');
}

export function parsePath(path: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < path.length; at += 1) {
    const letter = path.charAt(at);
    if (letter === '.') {
      parts.push(part);
      part = '';
    } else {
      if (letter === '\\' && at + 1 < path.length) at += 1;
      part += path.charAt(at);
    }
  }
  parts.push(part);
  return parts;
}
