/** Ids as text: z-base-32 without padding, most significant bit first. */
const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769';
const RANK = new Map([...ALPHABET].map((letter, rank) => [letter, rank]));
const ID_BYTES = 16;

export function encodeBase32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET.charAt((held >> bits) & 31);
    }
  }
  if (bits > 0) text += ALPHABET.charAt((held << (5 - bits)) & 31);
  return text;
}

/** The id of a new object. */
export function newObjectId(): string {
  return encodeBase32(crypto.getRandomValues(new Uint8Array(ID_BYTES)));
}

/** In the order of the bytes, which is not that of the letters. */
export function compareIds(one: string, two: string): number {
  const length = Math.min(one.length, two.length);
  for (let at = 0; at < length; at += 1) {
    if (one[at] === two[at]) continue;
    return (RANK.get(one.charAt(at)) ?? -1) - (RANK.get(two.charAt(at)) ?? -1);
  }
  return one.length - two.length;
}
