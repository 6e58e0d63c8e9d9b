import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METRICS_NAMESPACE, metrics, STACK_DIMENSION } from '../../core/metrics.ts';
import { layermover, qemuImg, qemuIo, Stage } from './command.ts';

/**
 * One migration on the embedded cloud, followed by its id through the logs of functions and agents; its metrics are there,
 * and those of a garbage collection.
 */
interface Line {
  readonly message?: string;
  readonly msg?: string;
  readonly migration?: string;
  readonly [field: string]: unknown;
}

/** A line in CloudWatch's Embedded Metric Format. */
interface Measured extends Line {
  readonly _aws: {
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
}

let stage: Stage;
let migration: string;
const REQUEST = 'request-told-of';

beforeAll(async () => {
  stage = await Stage.open();
  const cloudFile = await stage.cloud();
  const images = path.join(stage.folder, 'a-h1');
  await mkdir(images);
  await qemuImg('create', '-q', '-f', 'qcow2', path.join(images, 'os.qcow2'), '256M');
  await qemuIo(path.join(images, 'os.qcow2'), 'write -q -P 7 0 16M');
  for (const vm of ['web-1', 'web-2']) {
    const image = path.join(images, `${vm}.qcow2`);
    await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'os.qcow2', image);
    await qemuIo(image, 'write -q -P 9 32M 4M');
  }
  for (const [site, host] of [['a', 'h1'] as const, ['b', 'h2'] as const]) await stage.agent(site, host, cloudFile);
  const migrate = (vm: string, ...words: string[]) =>
    layermover(['migrate', vm, '--to', 'b/h2', '--policy', 'kind', '--cloud', cloudFile, '--json', ...words]);
  const first = await migrate('web-1', '--request-id', REQUEST);
  const second = await migrate('web-2');
  expect([first.code, second.code], first.stdout + second.stdout).toEqual([0, 0]);
  const collected = await layermover(['gc', '--cloud', cloudFile, '--json']);
  expect(collected.code, collected.stderr).toBe(0);
  migration = String(first.lines.at(-1)?.migration);
}, 120_000);
afterAll(() => stage.close());

async function functionLines(name: string): Promise<Line[]> {
  const folder = path.join(stage.folder, 'cloud', 'logs');
  const files = (await readdir(folder)).filter((file) => file.includes(name));
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), 'utf8')));
  return jsonLines(texts.join(''));
}

function jsonLines(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
}

const ofMigration = (lines: readonly Line[]) => lines.filter((line) => line.migration === migration);

describe('one id leads', () => {
  it('from the command’s request to the line of the function that took it', async () => {
    const [line] = ofMigration(await functionLines('Migrations'));
    expect(line).toMatchObject({ message: 'answered', call: 'createMigration', request_id: REQUEST, level: 'INFO' });
    expect(line?.request).toEqual(expect.any(String));
    expect(line?.function_request_id).toEqual(expect.any(String));
  });

  it('through the steps of the workflow', async () => {
    const steps = ofMigration(await functionLines('Steps')).map(({ step, run }) => [step, run]);
    for (const step of ['prepare', 'plan', 'dispatch', 'decide', 'verify', 'commit', 'finish'])
      expect(steps).toContainEqual([step, 1]);
  });

  it('to the tasks, where they are handed out and where they are reported', async () => {
    const out = ofMigration(await functionLines('Hosts')).filter(({ message }) => message === 'task handed out');
    expect(new Set(out.map(({ host }) => host))).toEqual(new Set(['a/h1', 'b/h2']));
    const reported = ofMigration(await functionLines('Tasks')).filter(({ call }) => call === 'reportTask');
    expect(reported.map(({ task }) => task).toSorted()).toEqual(out.map(({ task }) => task).toSorted());
  });

  it.each(['a/h1', 'b/h2'])('to every line of the agent %s about its tasks', async (host) => {
    const text = await readFile(path.join(stage.folder, `agent-${host.replace('/', '-')}.log`), 'utf8');
    const lines = jsonLines(text);
    expect(new Set(lines.map((line) => line.host))).toEqual(new Set([host]));
    const tasks = lines.filter(({ task }) => task !== undefined);
    expect(ofMigration(tasks).length).toBeGreaterThan(1);
    for (const { task, migration: id, run } of tasks) expect([String(task).split('.')[0], run]).toEqual([id, 1]);
  });
});

describe('metrics', () => {
  /** Metrics that no migration without trouble, and none of a stopped VM, has anything to say of. */
  const OF_TROUBLE = ['Standstill', 'SilentAgents', 'Throttles', 'Blackout'];

  it('are written in the form that CloudWatch takes from logs, under the stack’s name', async () => {
    const lines = (await functionLines('')).filter((line): line is Measured => '_aws' in line);
    const found = new Set<string>();
    for (const line of lines) {
      const [directive] = line._aws.CloudWatchMetrics;
      const [metric] = directive!.Metrics;
      const name = metric!.Name as keyof typeof metrics;
      expect(directive).toMatchObject({ Namespace: METRICS_NAMESPACE, Metrics: [{ Unit: metrics[name] }] });
      expect(line[STACK_DIMENSION]).toBe('LayerMover');
      expect(line[name]).toEqual(expect.any(Number));
      const treatment = directive!.Dimensions[0]!.includes('treatment') ? `.${line.treatment}` : '';
      found.add(`${name}${treatment}`);
    }
    const expected = Object.keys(metrics).filter((name) => !OF_TROUBLE.includes(name));
    expect(new Set([...found].map((name) => name.split('.')[0]))).toEqual(new Set(expected));
    for (const treatment of ['skip', 'dedup', 'direct']) expect(found).toContain(`LogicalBytes.${treatment}`);
  });
});
