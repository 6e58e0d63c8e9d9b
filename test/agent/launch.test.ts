import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { parseAddress, urisOf } from '../../agent/launch/address.ts';
import { assertNamesAll, diskValues } from '../../agent/launch/disks.ts';
import { Launcher } from '../../agent/launch/launcher.ts';
import { Launches } from '../../agent/launch/launches.ts';
import { readLauncher } from '../../agent/launch/read-launcher.ts';
import { fillCommand, parseLauncher } from '../../agent/launch/template.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const asTheyAre = { ...limits };
afterEach(() => void Object.assign(limits, asTheyAre));
const never = new AbortController().signal;
const OWNER = { migration: `m${'0'.repeat(20)}`, vm: 'web-1' };
const SLEEPER = ['/bin/sleep', '600'];

const parse = (file: object) => parseLauncher('/etc/launcher.json', JSON.stringify(file));
const NEEDED = ['{qmp}', '{disk}'];
const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe('a launcher file', () => {
  const values = {
    name: 'web-1',
    qmp: '/run/a,b/qmp',
    disk: '/d/x,"y.qcow2',
    'disk:ud': '/d/x,"y.qcow2',
    incoming: 'defer',
  };
  const filled = (...parts: unknown[]) =>
    fillCommand('l', parse({ command: ['/bin/q', ...NEEDED, ...parts] }), 'web-1', values).slice(3);

  it('gives arguments in which no value can be more than a value', () => {
    expect(filled('{disk}')).toEqual(['/d/x,"y.qcow2']);
    expect(filled('unix:{qmp},server=on')).toEqual(['unix:/run/a,,b/qmp,server=on']);
    const [json] = filled({ driver: 'qcow2', file: { filename: '{disk:ud}' } });
    expect(JSON.parse(json!)).toEqual({ driver: 'qcow2', file: { filename: '/d/x,"y.qcow2' } });
    expect(filled('{"a":1}', '$(reboot)', '; reboot')).toEqual(['{"a":1}', '$(reboot)', '; reboot']);
  });

  it('leaves an inner list out where one of its values is missing', () => {
    const file = parse({ command: ['/bin/q', ...NEEDED, ['-incoming', '{incoming}']] });
    expect(fillCommand('l', file, 'web-1', values)).toContain('-incoming');
    expect(fillCommand('l', file, 'web-1', { ...values, incoming: undefined })).toHaveLength(3);
    const bare = parse({ command: ['/bin/q', ...NEEDED, '{disk:we}'] });
    expect(() => fillCommand('l', bare, 'web-1', values)).toThrow(code('LAUNCHER_INVALID'));
  });

  it('may have a command of its own for a VM', () => {
    const file = parse({ command: ['/bin/q', ...NEEDED], vms: { 'db-1': { command: ['/bin/other', ...NEEDED] } } });
    expect(fillCommand('l', file, 'db-1', values)[0]).toBe('/bin/other');
    expect(fillCommand('l', file, 'web-1', values)[0]).toBe('/bin/q');
  });

  it.each<[string, object]>([
    ['no command', {}],
    ['a program that is looked for', { command: ['qemu', ...NEEDED] }],
    ['a program out of a placeholder', { command: ['/bin/{name}', ...NEEDED] }],
    ['an unknown placeholder', { command: ['/bin/q', ...NEEDED, '{disks}'] }],
    ['an unknown one within an object', { command: ['/bin/q', ...NEEDED, { a: { b: '{x}' } }] }],
    ['no socket', { command: ['/bin/q', '{disk}'] }],
    ['no disk', { command: ['/bin/q', '{qmp}'] }],
    ['an unknown word', { command: ['/bin/q', ...NEEDED], shell: true }],
    ['a name that no VM has', { command: ['/bin/q', ...NEEDED], vms: { '../x': { command: ['/bin/q', ...NEEDED] } } }],
    [
      'more arguments than launcher_arguments_max',
      { command: ['/bin/q', ...NEEDED, ...Array(limits.launcher_arguments_max).fill('a')] },
    ],
  ])('with %s is refused', (_, file) => {
    expect(() => parse(file)).toThrow(code('LAUNCHER_INVALID'));
  });
});

describe('a command for VMs of several disks', () => {
  const disks = [
    { disk: 'root', top: '/r', kinds: { os: '/o', ud: '/r' } },
    { disk: 'data', top: '/d', kinds: { ud: '/d' } },
  ];
  const of = (...command: unknown[]) => parse({ command: ['/bin/q', '{qmp}', ...command] });

  it('has a placeholder for each, and one for each of its layers', () => {
    const file = of('{disk/root}', 'x={disk/root:os},y', '{disk/data:ud}', ['{disk}'], ['{disk/swap}']);
    const values = { name: 'db', qmp: '/q', ...diskValues(disks) };
    expect(fillCommand('l', file, 'db', values)).toEqual(['/bin/q', '/q', '/r', 'x=/o,y', '/d']);
    const [one] = disks;
    expect(diskValues([{ ...one!, disk: undefined }])).toEqual({ disk: '/r', 'disk:os': '/o', 'disk:ud': '/r' });
  });

  it('that leaves out one of them is refused, before it is used', () => {
    const names = ['root', 'data'];
    expect(() => assertNamesAll('l', of('{disk/root}', ['{disk/data:ud}']), 'db', names)).not.toThrow();
    for (const command of [['{disk/root}'], ['{disk}'], ['{disk:ud}', '{disk/data}']])
      expect(() => assertNamesAll('l', of(...command), 'db', names)).toThrow(code('LAUNCHER_INVALID'));
    expect(() => assertNamesAll('l', of('{disk/root}'), 'web', [undefined])).toThrow(code('LAUNCHER_INVALID'));
  });

  it.each(['{disk/}', '{disk/a/b}', '{disk/data:xx}', '{disk/../x}', `{disk/${'n'.repeat(32)}}`])('not %s', (word) => {
    const isPlain = () => fillCommand('l', of('{disk}', word), 'db', { qmp: '/q', disk: '/d' }).includes(word);
    // What is no placeholder at all stays the text that it is.
    try {
      expect(isPlain()).toBe(true);
    } catch (error) {
      expect(error).toMatchObject({ code: 'LAUNCHER_INVALID' });
    }
  });
});

describe('a launcher file on disk', () => {
  it('is the one that docs/LIVE.md shows', () => {
    const [, shown] = /```json\n(.*?)```/s.exec(readFileSync('docs/LIVE.md', 'utf8'))!;
    const file = parseLauncher('shown', shown!);
    const values = { name: 'db-1', qmp: '/q', disk: '/d', 'disk:ud': '/d', incoming: 'defer' };
    expect(fillCommand('shown', file, 'web-1', values)).toEqual(expect.arrayContaining(['-incoming', 'defer']));
    expect(fillCommand('shown', file, 'db-1', values)).toEqual([
      '/usr/local/bin/start-db',
      'db-1',
      '/q',
      '/d',
      'defer',
    ]);
  });

  it('is read with its address', async () => {
    writeFileSync(folder.at('l.json'), JSON.stringify({ command: ['/bin/q', ...NEEDED] }));
    expect(await readLauncher(folder.at('l.json'), 'unix')).toMatchObject({ address: { kind: 'unix' } });
    expect(await readLauncher(folder.at('l.json'))).not.toHaveProperty('address');
  });

  it('is refused if it is missing, or longer than launcher_bytes_max', async () => {
    await expect(readLauncher(folder.at('none.json'))).rejects.toThrow(code('LAUNCHER_INVALID'));
    writeFileSync(folder.at('l.json'), ' '.repeat(limits.launcher_bytes_max + 1));
    await expect(readLauncher(folder.at('l.json'))).rejects.toThrow(code('LAUNCHER_INVALID'));
  });
});

describe('an address for guests’ memory', () => {
  it.each([
    ['10.0.0.7', 'tcp:10.0.0.7:49152', limits.migration_port_last - limits.migration_port_first + 1],
    ['host-7.example:5000', 'tcp:host-7.example:5000', 1],
    ['[fd00::7]:5000-5009', 'tcp:[fd00::7]:5000', 10],
    ['unix', 'unix:/s', 1],
  ])('%s', (text, first, count) => {
    const uris = [...urisOf(parseAddress(text), '/s')];
    expect([uris[0], uris.length]).toEqual([first, count]);
  });

  it.each(['', 'a b', '10.0.0.7:', '10.0.0.7:0', '10.0.0.7:9-8', 'host:70000', 'exec:reboot', '-x,y'])(
    'not %s',
    (text) => {
      expect(() => parseAddress(text)).toThrow(code('MIGRATION_ADDRESS_INVALID'));
    },
  );
});

const world = { files: systemFiles, processes: systemProcesses, random: systemRandom };
const open = (arrived: readonly (typeof OWNER)[] = []) => Launches.open(folder.at('l'), world, arrived);

describe('a process that an agent started for a VM', () => {
  it('has nothing of the agent’s environment but where programs are, and a group of its own', async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'x';
    const launches = await open();
    const { launch } = await launches.start(OWNER, () => ['/bin/sh', '-c', 'env; cat /proc/self/stat; echo end']);
    const log = folder.at('l', launch.mark, 'log');
    await expect.poll(() => readFileSync(log, 'utf8')).toContain('end\n');
    const said = readFileSync(log, 'utf8');
    expect(said).not.toContain('AWS_');
    expect(said).toContain(`LAYERMOVER_LAUNCH=${launch.mark}`);
    const [, , , , , session] = said
      .split('\n')
      .find((line) => line.includes('(cat)'))!
      .split(' ');
    const own = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
    expect(session).not.toBe(own[3]);
    delete process.env.AWS_SECRET_ACCESS_KEY;
    await launches.end(OWNER);
  });

  it('is ended, with what it started itself, by the next run of the agent if its VM has not arrived', async () => {
    const launches = await open();
    const { launch, program } = await launches.start(OWNER, () => ['/bin/sh', '-c', 'sleep 600 & wait']);
    expect(await systemProcesses.isRunning(launch.mark)).toBe(true);
    const next = await open();
    await program.ended;
    expect(await systemProcesses.isRunning(launch.mark)).toBe(false);
    expect(next.find(OWNER)).toBeUndefined();
    expect(existsSync(folder.at('l', launch.mark))).toBe(false);
  });

  it('is left alone if its VM’s disk has arrived, and found again; once kept, nothing ends it', async () => {
    const { launch } = await (await open()).start(OWNER, () => SLEEPER);
    const next = await open([OWNER]);
    expect(next.find(OWNER)).toEqual(launch);
    await next.keep(OWNER);
    await next.end(OWNER);
    const third = await open();
    expect(await systemProcesses.isRunning(launch.mark)).toBe(true);
    expect(third.kept()).toEqual([{ vm: OWNER.vm, qmp: third.qmpPath(launch) }]);
    await systemProcesses.kill(launch.mark);
    expect((await open()).kept()).toEqual([]);
    expect(existsSync(folder.at('l', launch.mark))).toBe(false);
  });

  it('is not taken for another one of the same number', async () => {
    const other = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
    try {
      await systemProcesses.kill('0123456789abcdef');
      expect(other.exitCode).toBeNull();
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
  });

  it('that can’t be started leaves nothing', async () => {
    const launches = await open();
    await expect(launches.start(OWNER, () => ['/no/such/program'])).rejects.toThrow(code('PROGRAM_NOT_STARTED'));
    expect(launches.find(OWNER)).toBeUndefined();
    Object.assign(limits, { socket_path_bytes_max: 10 });
    await expect(launches.start(OWNER, () => SLEEPER)).rejects.toThrow(code('LAUNCHER_INVALID'));
  });
});

describe('a launcher', () => {
  const launcher = (launches: Launches, ...command: string[]) =>
    new Launcher({ path: 'l', file: { command }, address: parseAddress('unix') }, launches, systemClock);
  const vm = { ...OWNER, disks: [{ disk: undefined, top: '/d', kinds: { ud: '/d' } }] };

  it('tells why a QEMU ended before it answered', async () => {
    Object.assign(limits, { qemu_log_quoted_bytes: 20 });
    const launches = await open();
    const failing = launcher(launches, '/bin/sh', '-c', 'echo much was said before; echo no such machine; exit 1');
    const failure = await failing.receive(vm, never).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'LAUNCH_FAILED', data: { said: 'ore\nno such machine' } });
    await launches.end(OWNER);
  });

  it('gives a QEMU up that does not answer within qemu_start_ms', async () => {
    Object.assign(limits, { qemu_start_ms: 300, qmp_connect_ms: 100 });
    const launches = await open();
    await expect(launcher(launches, ...SLEEPER).receive(vm, never)).rejects.toThrow(code('LAUNCH_FAILED'));
    await launches.end(OWNER);
    expect(launches.find(OWNER)).toBeUndefined();
  });

  it('refuses before anything is started what it has no address for', async () => {
    const without = new Launcher({ path: 'l', file: { command: SLEEPER } }, await open(), systemClock);
    await expect(without.receive(vm, never)).rejects.toThrow(code('MIGRATION_ADDRESS_MISSING'));
  });
});
