import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../adapters/system/random.ts';
import { startAgent } from '../../agent/agent.ts';
import { lockStateFolder } from '../../agent/daemon/lock.ts';
import { coded, eachFolder, hastyClock, keptLog, scripted } from './support.ts';

const folder = eachFolder();

describe('the lock of a state folder', () => {
  it('lets one agent in, and the next when it is given back', () => {
    const unlock = lockStateFolder(folder.at('state'));
    expect(() => lockStateFolder(folder.at('state'))).toThrow(expect.objectContaining({ code: 'AGENT_RUNNING' }));
    lockStateFolder(folder.at('other'))();
    unlock();
    lockStateFolder(folder.at('state'))();
  });

  it('ends with its process, however that ends', async () => {
    const lock = new URL('../../agent/daemon/lock.ts', import.meta.url).href;
    const script = `const { lockStateFolder } = await import('${lock}');
      lockStateFolder(process.argv[1]); globalThis.gc(); console.log('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', script, folder.at('state')]);
    const ended = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      expect(() => lockStateFolder(folder.at('state'))).toThrow(expect.objectContaining({ code: 'AGENT_RUNNING' }));
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    lockStateFolder(folder.at('state'))();
  });
});

describe('an agent', () => {
  const start = (answer: Parameters<typeof scripted>[0], imageFolder = folder.path()) =>
    startAgent({
      site: 'a',
      host: 'h1',
      namespace: 'default',
      imageFolder,
      api: scripted(answer),
      clock: hastyClock,
      random: systemRandom,
      objectStore: () => {
        throw new Error('no task, no store');
      },
      log: keptLog(),
      workers: 1,
    });
  const nothing = () => ({ tasks: [], cancelled: [], rounds: [], receipts: [], incoming: [], settled: [] });

  it('is enrolled when it has started, and works in its folders alone', async () => {
    writeFileSync(folder.at('web-1.raw'), '');
    const calls: unknown[] = [];
    const agent = await start((name, { body }) => {
      calls.push(name === 'enrolHost' ? body : name);
      return nothing();
    });
    expect(calls[0]).toMatchObject({ vms: ['web-1'], layers: [], version: expect.stringMatching(/^\d+\./) });
    await expect(start(nothing)).rejects.toMatchObject({ code: 'AGENT_RUNNING' });
    await Promise.all([agent.stop(), agent.stop()]);
    await (await start(nothing)).stop();
  });

  it('does not start where it is refused, and can be started again', async () => {
    const refuse = () => {
      throw coded('HOST_TAKEN');
    };
    await expect(start(refuse)).rejects.toMatchObject({ code: 'HOST_TAKEN' });
    await expect(start(nothing, folder.at('none'))).rejects.toMatchObject({ code: 'IMAGE_FOLDER_MISSING' });
    await (await start(nothing)).stop();
  });

  it('waits for a cloud that is away', async () => {
    let away = true;
    const said: string[] = [];
    const agent = await start((name) => {
      if (away) throw coded('API_UNREACHABLE');
      said.push(name);
      return nothing();
    });
    away = false;
    await expect.poll(() => said).toEqual(expect.arrayContaining(['enrolHost', 'poll']));
    await agent.stop();
  });
});
