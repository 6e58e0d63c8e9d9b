import { fork } from 'node:child_process';
import { once } from 'node:events';
import module from 'node:module';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepCompiled } from '../../bin/engine.ts';

const MIB = 1024 ** 2;

async function passing(...words: string[]): Promise<{ collections: number; youngBytes: number }> {
  const child = fork(join(import.meta.dirname, 'fixture/buffers-process.ts'), words, { execArgv: [] });
  const [told] = (await once(child, 'message')) as [{ collections: number; youngBytes: number }];
  child.disconnect();
  await once(child, 'exit');
  return told;
}

describe('the engine', () => {
  it('does not look through all objects because buffers pass by', async () => {
    const usual = await passing();
    expect(usual.collections).toBeGreaterThan(5);
    expect((await passing('free')).collections).toBeLessThan(usual.collections / 3);
  });

  it('does not do so in an agent either, and gives new objects little room there', async () => {
    const usual = await passing();
    const bounded = await passing('bounded');
    expect(bounded.collections).toBeLessThan(usual.collections / 2);
    expect(bounded.youngBytes).toBeLessThan(16 * MIB);
    expect(usual.youngBytes).toBeGreaterThan(2 * bounded.youngBytes);
  });

  it('keeps what it has compiled where the user alone may write', () => {
    keepCompiled();
    expect(module.getCompileCacheDir()).toContain(join(userInfo().homedir, '.cache/layermover/compiled'));
  });
});
