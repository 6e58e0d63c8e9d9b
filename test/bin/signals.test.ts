import { spawn } from 'node:child_process';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CannedApi } from './api.ts';
import { ID, layer, migration, NOT_MOVED, vm } from './samples.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/layermover.js');

let api: CannedApi;
beforeEach(async () => {
  api = await CannedApi.open();
  const running = layer({ ...NOT_MOVED, total_bytes: 100e6, handled_bytes: 25e6, wire_bytes: 5e6 });
  api.migration = migration({ state: 'seeding', vms: [vm({ state: 'waiting', layers: [running] })] });
});
afterEach(() => api.close());

/** Runs a verb, sends a signal once it has said `after` on stderr, and gives how it ended. */
async function interrupted(words: readonly string[], after: RegExp, signal: 'SIGINT' | 'SIGTERM') {
  const child = spawn(process.execPath, [COMMAND, ...words, '--cloud', api.cloudFile], {
    env: { ...process.env, FORCE_COLOR: '' },
  });
  let [stdout, stderr, sent] = ['', '', false];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    if (!sent && after.test(stderr)) sent = child.kill(signal);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

describe('the first signal', () => {
  it('lets go, says what goes on and how to come back', async () => {
    const said = await interrupted(['migrate', 'web-1', '--to', 'b/h2'], /seeding/, 'SIGINT');
    expect(said.code).toBe(130);
    expect(said.stderr).toContain(`stopped: no longer watching; migration ${ID} goes on`);
    expect(said.stderr).toContain(`layermover status ${ID} --watch`);
    expect(said.stderr).not.toContain('error:');
  });

  it('as JSON, too; and progress moved before, though nothing had arrived', async () => {
    // With --json progress is on stdout; nothing but the start of the migration is on stderr.
    const said = await interrupted(['migrate', 'web-1', '--to', 'b/h2', '--json'], /migration m/, 'SIGTERM');
    const lines = said.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ message_type: 'error', error: { code: 'INTERRUPTED' } });
    for (const line of lines.slice(0, -1))
      expect(line).toMatchObject({ message_type: 'status', handled_bytes: 25e6, done_bytes: 0, wire_bytes: 5e6 });
    expect(said.code).toBe(130);
  });
});
