import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BURST_BYTES = 64 * 1024;
const QUEUE_MS = 100;
const DEVICE = 'site';

/** Two sites as network namespaces of this machine, with one shaped link between them. */
export interface Sites {
  /** Words to put before a command that is to run at a site. */
  readonly at: (site: 'a' | 'b') => readonly string[];
  /** Addresses of the sites. */
  readonly address: { readonly a: string; readonly b: string };
  remove(): Promise<void>;
}

/** Why there can be no such sites here; undefined if there can. */
export async function whyNoSites(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const name = nameOf('probe');
  try {
    await run('ip', ['netns', 'add', name]);
    await run('ip', ['netns', 'del', name]);
    await run('tc', ['-V']);
    return undefined;
  } catch (error) {
    return `network namespaces or tc are not to be had: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** Makes the sites; each direction of their link takes so many bytes a second (tc tbf). */
export async function makeSites(bytesPerSecond: number): Promise<Sites> {
  const names = { a: nameOf('a'), b: nameOf('b') };
  const address = { a: '10.203.17.1', b: '10.203.17.2' };
  const remove = async () => {
    for (const name of Object.values(names)) await run('ip', ['netns', 'del', name]).catch(() => undefined);
  };
  try {
    for (const name of Object.values(names)) await run('ip', ['netns', 'add', name]);
    const ends = ['type', 'veth', 'peer', 'name', DEVICE, 'netns', names.b];
    await run('ip', ['link', 'add', 'name', DEVICE, 'netns', names.a, ...ends]);
    for (const site of ['a', 'b'] as const) {
      const within = (...words: string[]) => run('ip', ['netns', 'exec', names[site], ...words]);
      await within('ip', 'addr', 'add', `${address[site]}/30`, 'dev', DEVICE);
      for (const device of ['lo', DEVICE]) await within('ip', 'link', 'set', device, 'up');
      const shape = ['rate', `${Math.round(bytesPerSecond * 8)}bit`, 'burst', String(BURST_BYTES)];
      await within('tc', 'qdisc', 'add', 'dev', DEVICE, 'root', 'tbf', ...shape, 'latency', `${QUEUE_MS}ms`);
    }
    return { at: (site) => ['ip', 'netns', 'exec', names[site]], address, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Tests that run at the same time have sites of their own. */
function nameOf(site: string): string {
  return `layermover-${process.pid}-${site}`;
}
