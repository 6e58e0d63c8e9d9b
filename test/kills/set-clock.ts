import { existsSync, writeFileSync } from 'node:fs';
import type { ServiceOptions } from './service.ts';

/** Where Debian's package libfaketime has it. */
const LIBRARY = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find(existsSync);

export const hasFakeTime = LIBRARY !== undefined;

/**
 * Runs a service by a clock of its own, that can be set while it runs: what `date -s` does, to one process. Timers go on
 * as they do then. Gives the options to start it with, and how to set the clock, in seconds ahead of the machine's.
 */
export function clockIn(file: string, aheadSeconds = 0): { options: ServiceOptions; set(aheadSeconds: number): void } {
  const set = (seconds: number) => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  set(aheadSeconds);
  const env = {
    LD_PRELOAD: LIBRARY ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  };
  return { options: { env }, set };
}
