import pino from 'pino';
import type { Log } from '../../agent/daemon/log.ts';
import type { HostRef } from '../../core/api/names.ts';
import { paintMessage } from './paint.ts';
import { visible } from './visible.ts';

/** An agent's log on stderr: JSON lines; on a terminal, unless JSON is asked for, lines for people. */
export function agentLog(host: HostRef, json: boolean): Log {
  // What a full disk refuses is lost: nobody fails for his log. (pino's own destination hangs then.)
  process.stderr.on('error', () => undefined);
  if (json || !process.stderr.isTTY) return pino({ base: { host } }, process.stderr);
  const line = (paint: (text: string) => string) => (fields: object, message: string) =>
    void process.stderr.write(`${clockTime()} ${paint(message)}${told(fields)}\n`);
  return { info: line(String), warn: line(paintMessage.yellow), error: line(paintMessage.red) };
}

function clockTime(): string {
  return paintMessage.dim(new Date().toTimeString().slice(0, 8));
}

function told(fields: object): string {
  const parts = Object.entries(fields).map(([name, value]) => ` ${paintMessage.dim(`${name}=`)}${plain(value)}`);
  return parts.join('');
}

function plain(value: unknown): string {
  const message = (value as { message?: unknown } | null)?.message;
  return visible(
    typeof message === 'string' ? message : typeof value === 'object' ? JSON.stringify(value) : String(value),
  );
}
