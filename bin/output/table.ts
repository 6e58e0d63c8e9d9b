import Table from 'cli-table3';
import { paint } from './paint.ts';

export interface Column {
  readonly head: string;
  readonly align?: 'right';
  /** Its cells may be broken into lines, of this many characters at the least, where the terminal is narrow. */
  readonly wraps?: number;
}

const style = {
  head: paint.isColorSupported ? ['bold'] : [],
  border: paint.isColorSupported ? ['dim'] : [],
  compact: true,
};

/**
 * Rows under a heading, no wider than `columns` characters as far as columns that wrap allow it. Cells of columns that
 * wrap must be plain text.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = terminalWidth(),
): string {
  const natural = widthsOf(render(columns, rows));
  const widths = fitted(columns, natural, width);
  const broken = rows.map((row) =>
    row.map((cell, at) => (widths[at]! < natural[at]! ? wrapped(cell, widths[at]! - 2) : cell)),
  );
  return render(columns, broken);
}

/** Of the terminal that stdout is; unbounded elsewhere. */
export function terminalWidth(): number {
  return process.stdout.columns ?? Number.POSITIVE_INFINITY;
}

/** How wide a table comes out, in characters. */
export function tableWidth(text: string): number {
  return text.slice(0, text.indexOf('\n')).replace(PAINT, '').length;
}

function render(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: columns.map((column) => column.head),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style,
  });
  for (const row of rows) made.push([...row]);
  return made.toString();
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are made of
const PAINT = /\u001b\[[0-9;]*m/g;

/** What each column takes, read from the table's upper border, where every character is one wide. */
function widthsOf(text: string): number[] {
  const border = text.slice(0, text.indexOf('\n')).replace(PAINT, '');
  return border
    .slice(1, -1)
    .split('┬')
    .map((part) => part.length);
}

/** Takes from the widest column that may still give, until all fit. */
function fitted(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  let over = widths.reduce((sum, each) => sum + each + 1, 1) - width;
  while (over > 0) {
    const givers = widths.map((each, at) => each - 2 - (columns[at]!.wraps ?? Number.POSITIVE_INFINITY));
    const most = widths.reduce((best, each, at) => (givers[at]! > 0 && each > (widths[best] ?? 0) ? at : best), -1);
    if (most < 0) return widths;
    widths[most]!--;
    over--;
  }
  return widths;
}

/** Breaks at spaces, and words that are too long where they must. */
function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((each) => pieces(each, width))) {
    if (line === '') line = word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line].join('\n');
}

function pieces(word: string, width: number): string[] {
  const characters = [...word];
  const count = Math.max(1, Math.ceil(characters.length / width));
  return Array.from({ length: count }, (_, at) => characters.slice(at * width, (at + 1) * width).join(''));
}
