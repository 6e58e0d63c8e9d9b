import prettyBytes from 'pretty-bytes';
import prettyMs from 'pretty-ms';

/** Decimal units throughout, as links and stores count: 1 MB = 10^6 bytes. */
export function bytes(value: number): string {
  return prettyBytes(value, { maximumFractionDigits: value < 1e6 ? 0 : 1 });
}

export function seconds(value: number): string {
  return prettyMs(value * 1000, { secondsDecimalDigits: 1 });
}

export function rate(amount: number, inSeconds: number): string {
  return inSeconds > 0 ? `${bytes(amount / inSeconds)}/s` : '–';
}
