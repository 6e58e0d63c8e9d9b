/**
 * Text as one line that shows what it holds: control characters, which could steer a terminal, and marks that turn the
 * reading direction become `\u{…}`. Names of files and layers are others' work.
 */
export function visible(text: string): string {
  return text.toWellFormed().replace(HIDDEN, escaped);
}

/** The same for a message, which may have several lines. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
}

const HIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}
