import { execFile } from 'node:child_process';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { eachFolder } from '../agent/support.ts';

const NEEDS = new URL('../../bin/demo/live/needs.ts', import.meta.url).href;
const folder = eachFolder();

/** What the demo runs a program by, for a user with this PATH. */
async function programFor(PATH: string, name: string): Promise<string> {
  const script = `import { programOf } from '${NEEDS}'; process.stdout.write(programOf('${name}'));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH },
  });
  return stdout;
}

it('runs programs by their path, in folders that many users’ PATH has not, too', async () => {
  const own = folder.at('debugfs');
  writeFileSync(own, '');
  chmodSync(own, 0o755);
  expect(await programFor(folder.path(), 'debugfs')).toBe(own);
  const inSbin = ['/usr/sbin/ldconfig', '/sbin/ldconfig'].find((path) => existsSync(path));
  expect(await programFor(folder.path(), 'ldconfig')).toBe(inSbin ?? 'ldconfig');
  expect(await programFor(folder.path(), 'no-such-program')).toBe('no-such-program');
});
