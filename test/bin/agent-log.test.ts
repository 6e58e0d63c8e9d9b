import { execFileSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const LOG = path.resolve(import.meta.dirname, '../../bin/output/agent-log.ts');

describe('the agent’s log', () => {
  it.skipIf(!existsSync('/dev/full'))('on a full disk stops nobody [/dev/full]', () => {
    const script = `
      const { agentLog } = await import(${JSON.stringify(LOG)});
      const log = agentLog('a/h1', true);
      log.info({}, 'one');
      setTimeout(() => { log.error({}, 'two'); process.stdout.write('alive'); }, 20);`;
    const args = ['--input-type=module', '-e', script];
    const said = execFileSync(process.execPath, args, {
      stdio: ['ignore', 'pipe', openSync('/dev/full', 'w')],
      timeout: 20_000,
    });
    expect(String(said)).toBe('alive');
  });
});
