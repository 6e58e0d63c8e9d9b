import { seconds } from './units.ts';

/** A moment in the reader's time zone (TZ), to the second: 2026-03-01 14:05:09. */
export function moment(ms: number): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** The same in UTC, for what is read elsewhere: 2026-03-01 13:05:09 UTC. */
export function momentUtc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** How long ago a moment was: whole seconds. */
export function ago(ms: number, nowMs: number): string {
  const past = Math.round((nowMs - ms) / 1000);
  return past < 1 ? 'just now' : `${seconds(past)} ago`;
}
