import { fork } from 'node:child_process';
import { once } from 'node:events';
import module from 'node:module';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepCompiled } from '../../bin/engine.ts';

async function collections(...words: string[]): Promise<number> {
  const child = fork(join(import.meta.dirname, 'fixture/buffers-process.ts'), words, { execArgv: [] });
  const [told] = (await once(child, 'message')) as [{ collections: number }];
  child.disconnect();
  await once(child, 'exit');
  return told.collections;
}

describe('the engine', () => {
  it('does not look through all objects because buffers pass by', async () => {
    const usual = await collections();
    expect(usual).toBeGreaterThan(5);
    expect(await collections('seldom')).toBeLessThan(usual / 3);
  });

  it('keeps what it has compiled where the user alone may write', () => {
    keepCompiled();
    expect(module.getCompileCacheDir()).toContain(join(userInfo().homedir, '.cache/layermover/compiled'));
  });
});
