import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { noise } from '../../disk/support.ts';
import { type Link, type LinkOptions, openLink } from './link.ts';
import { makeSites, type Sites, whyNoSites } from './namespaces.ts';

const KiB = 1024;
let link: Link | undefined;
let server: Server | undefined;
let sites: Sites | undefined;
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await link?.close();
  server?.close();
  await sites?.remove();
  link = undefined;
  sites = undefined;
});

/** A place that sends back what it gets, behind a link. */
async function echoBehind(options: Omit<LinkOptions, 'to'>): Promise<Link> {
  server = createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', () => undefined).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  link = await openLink({ ...options, to: { port: (server.address() as { port: number }).port } });
  return link;
}

/** Sends all of it and gives what came back before the connection ended, and after how many milliseconds. */
async function through({ port }: Link, bytes: Buffer): Promise<{ back: Buffer; ms: number }> {
  const socket: Socket = connect({ port, host: '127.0.0.1' });
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => void parts.push(part)).on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const began = performance.now();
  socket.end(bytes);
  await closed;
  return { back: Buffer.concat(parts), ms: performance.now() - began };
}

describe('a link', () => {
  it('carries what it is given, both ways', async () => {
    const bytes = noise(3 * KiB * KiB, 1);
    const { back } = await through(await echoBehind({}), bytes);
    expect(back.equals(bytes)).toBe(true);
    expect(link!.bytes).toBe(2 * bytes.length);
  });

  it('takes its round trip', async () => {
    const { back, ms } = await through(await echoBehind({ roundTripMs: 40 }), Buffer.from('x'));
    expect(back).toEqual(Buffer.from('x'));
    expect(ms).toBeGreaterThanOrEqual(39);
  });

  it('is no faster than its rate', async () => {
    const { back, ms } = await through(await echoBehind({ bytesPerSecond: 512 * KiB }), noise(256 * KiB, 2));
    expect(back).toHaveLength(256 * KiB);
    expect(ms).toBeGreaterThanOrEqual(499);
  });

  it('cuts connections at places that its seed says', async () => {
    const lengths: number[] = [];
    for (let time = 0; time < 2; time++) {
      const { back } = await through(await echoBehind({ cutAfterBytes: 300 * KiB, seed: 7 }), noise(2048 * KiB, 3));
      expect(link!.cut).toBe(1);
      lengths.push(back.length);
      await link!.close();
      link = undefined;
    }
    expect(Math.max(...lengths)).toBeLessThan(450 * KiB);
  });
});

const why = await whyNoSites();
if (why !== undefined) process.stderr.write(`skipped, ${why}: sites as network namespaces\n`);

describe.skipIf(why !== undefined)('two sites as network namespaces', () => {
  it('reach each other at the rate of their link', { timeout: 30_000 }, async () => {
    sites = await makeSites(1024 * KiB);
    const far = at(
      'b',
      'require("net").createServer((s)=>s.resume().on("end",()=>s.end("done")).on("close",()=>process.exit())).listen(7000,()=>console.log("up"))',
    );
    await once(far.stdout, 'data');
    const near = at(
      'a',
      `const t=performance.now();require("net").connect(7000,"${sites.address.b}").on("data",()=>console.log(performance.now()-t)).end(Buffer.alloc(${KiB * KiB}))`,
    );
    const [ms] = await once(near.stdout, 'data');
    expect(Number(`${ms}`)).toBeGreaterThan(850);
    await once(far, 'exit');
  });
});

/** Runs a few lines at a site. */
function at(site: 'a' | 'b', lines: string) {
  const [program, ...words] = [...sites!.at(site), process.execPath, '-e', lines];
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}
