import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ended, TestFunction } from './states-cloud.ts';
import { FunctionFailure, SimulatedClock, TestCloud } from './states-cloud.ts';

/**
 * Random workflows. Each node knows what it must come to, worked out here by plain recursion without time, tokens or
 * retries, and is built into states. A failure is the same whoever is first to fail, so that races decide nothing.
 */
type Node =
  | { kind: 'call'; ms: number; failures: number; maxAttempts: number }
  | { kind: 'token'; ms: number; answer: 'success' | 'failure' | 'early' | 'silence'; beats: boolean }
  | { kind: 'wait'; seconds: number }
  | { kind: 'choice'; first: boolean; yes: Node; no: Node }
  | { kind: 'sequence'; nodes: Node[] }
  | { kind: 'parallel'; branches: Node[]; caught: boolean }
  | { kind: 'map'; items: number; width: number; body: Node; caught: boolean };

const ms = fc.integer({ min: 0, max: 4_000 });
const { node } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      kind: fc.constant('call' as const),
      ms,
      failures: fc.constantFrom(0, 0, 0, 0, 1, 2),
      maxAttempts: fc.constantFrom(0, 1, 2),
    }),
    fc.record({
      kind: fc.constant('token' as const),
      ms,
      answer: fc.constantFrom(
        'success' as const,
        'success' as const,
        'early' as const,
        'failure' as const,
        'silence' as const,
      ),
      beats: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ kind: fc.constant('choice' as const), first: fc.boolean(), yes: tie('node'), no: tie('node') }),
    fc.record({ kind: fc.constant('sequence' as const), nodes: fc.array(tie('node'), { minLength: 1, maxLength: 3 }) }),
    fc.record({
      kind: fc.constant('parallel' as const),
      branches: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
      caught: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('map' as const),
      items: fc.integer({ min: 0, max: 4 }),
      width: fc.integer({ min: 0, max: 3 }),
      body: tie('node'),
      caught: fc.boolean(),
    }),
  ),
}));

const FAILED = Symbol('failed');
type Result = unknown | typeof FAILED;

function outcomeOf(node: Node): Result {
  switch (node.kind) {
    case 'call':
      return node.failures <= node.maxAttempts ? 'called' : FAILED;
    case 'token':
      return node.answer === 'failure' || node.answer === 'silence' ? FAILED : 'answered';
    case 'wait':
      return 'waited';
    case 'choice':
      return outcomeOf(node.first ? node.yes : node.no);
    case 'sequence':
      return node.nodes.map(outcomeOf).reduce((before, result) => (before === FAILED ? FAILED : result));
    case 'parallel':
      return joined(node.branches.map(outcomeOf), node.caught);
    case 'map':
      return joined(Array<Result>(node.items).fill(outcomeOf(node.body)), node.caught);
  }
}

function joined(results: Result[], caught: boolean): Result {
  if (!results.includes(FAILED)) return results;
  return caught ? 'caught' : FAILED;
}

type States = Record<string, Record<string, unknown>>;

/** Adds a node's states to a branch and returns the name of its first; `next` follows its last. */
function build(node: Node, states: States, name: () => string, next: string): string {
  const own = name();
  const task = (suffix: string, Parameters: object, fields: object) => ({
    Type: 'Task',
    Resource: `arn:aws:states:::lambda:invoke${suffix}`,
    Parameters,
    Next: next,
    ...fields,
  });
  const branchOf = (body: Node) => {
    const inner: States = {};
    const done = name();
    const StartAt = build(body, inner, name, done);
    inner[done] = { Type: 'Succeed' };
    return { StartAt, States: inner };
  };
  const guarded = (caught: boolean) => {
    if (!caught) return {};
    const handler = name();
    states[handler] = { Type: 'Pass', Result: 'caught', Next: next };
    return { Catch: [{ ErrorEquals: ['States.ALL'], Next: handler }] };
  };
  switch (node.kind) {
    case 'call':
      states[own] = task(
        '',
        { FunctionName: 'call', Payload: { ...node, 'retry.$': '$$.State.RetryCount' } },
        {
          OutputPath: '$.Payload',
          Retry: [{ ErrorEquals: ['Boom'], MaxAttempts: node.maxAttempts, JitterStrategy: 'FULL' }],
        },
      );
      return own;
    case 'token':
      states[own] = task(
        '.waitForTaskToken',
        { FunctionName: 'token', Payload: { ...node, 'token.$': '$$.Task.Token' } },
        { HeartbeatSeconds: 5, TimeoutSeconds: 60 },
      );
      return own;
    case 'wait': {
      const done = name();
      states[own] = { Type: 'Wait', Seconds: node.seconds, Next: done };
      states[done] = { Type: 'Pass', Result: 'waited', Next: next };
      return own;
    }
    case 'choice': {
      const ask = name();
      const yes = build(node.yes, states, name, next);
      const no = build(node.no, states, name, next);
      states[own] = { Type: 'Pass', Result: { first: node.first }, Next: ask };
      states[ask] = { Type: 'Choice', Choices: [{ Variable: '$.first', BooleanEquals: true, Next: yes }], Default: no };
      return own;
    }
    case 'sequence':
      return node.nodes.reduceRight((after, part) => build(part, states, name, after), next);
    case 'parallel':
      states[own] = { Type: 'Parallel', Branches: node.branches.map(branchOf), Next: next, ...guarded(node.caught) };
      return own;
    case 'map': {
      const each = name();
      const items = Array.from({ length: node.items }, (_, index) => index);
      states[own] = { Type: 'Pass', Result: items, Next: each };
      states[each] = {
        Type: 'Map',
        MaxConcurrency: node.width,
        ItemProcessor: branchOf(node.body),
        Next: next,
        ...guarded(node.caught),
      };
      return own;
    }
  }
}

function machineOf(node: Node): object {
  let count = 0;
  const states: States = {};
  const StartAt = build(node, states, () => `s${count++}`, 'end');
  states.end = { Type: 'Succeed' };
  return { StartAt, States: states };
}

/** Workers that keep what they were asked to do when the cloud restarts. */
class Workers {
  readonly #jobs = new Map<string, Extract<Node, { kind: 'token' }>>();

  readonly functions: Record<string, TestFunction> = {
    call: async ({ ms, failures, retry }: { ms: number; failures: number; retry: number }, cloud) => {
      await cloud.delay(ms);
      if (retry < failures) throw new FunctionFailure('Boom');
      return 'called';
    },
    token: async ({ token, ...job }: { token: string } & Extract<Node, { kind: 'token' }>, cloud) => {
      this.#jobs.set(token, job);
      if (job.answer === 'early') await this.#answer(cloud, token, job);
      else this.#work(cloud, token, job);
      await cloud.delay(100);
    },
  };

  goOn(cloud: TestCloud): void {
    for (const [token, job] of this.#jobs) this.#work(cloud, token, job);
  }

  #work(cloud: TestCloud, token: string, job: Extract<Node, { kind: 'token' }>): void {
    if (job.answer === 'silence') return;
    if (job.beats)
      cloud.clock.schedule(job.ms / 2, () => void this.#send(cloud, 'SendTaskHeartbeat', { taskToken: token }));
    cloud.clock.schedule(job.ms, () => void this.#answer(cloud, token, job));
  }

  #answer(cloud: TestCloud, taskToken: string, job: Extract<Node, { kind: 'token' }>): Promise<void> {
    if (job.answer === 'failure') return this.#send(cloud, 'SendTaskFailure', { taskToken, error: 'Boom' });
    return this.#send(cloud, 'SendTaskSuccess', { taskToken, output: '"answered"' });
  }

  async #send(cloud: TestCloud, target: string, body: object): Promise<void> {
    await cloud.call(target, body).catch((error) => {
      if (error.code !== 'TaskTimedOut') throw error;
    });
  }
}

const executionArn = 'arn:aws:states:eu-central-1:000000000000:execution:mover:one';

function check(ended: Ended, expected: Result): void {
  if (expected === FAILED) expect(ended.status).toBe('FAILED');
  else expect(ended).toEqual({ status: 'SUCCEEDED', output: expected });
}

test('random workflows end as they must, from any prefix of their journal, too', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'states-'));
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(node, fc.array(fc.nat(), { minLength: 3, maxLength: 3 }), async (workflow, cuts) => {
        const dir = join(scratch, String(run++));
        const journal = join(dir, 'mover', 'one.jsonl');
        const machine = machineOf(workflow);
        const expected = outcomeOf(workflow);

        const workers = new Workers();
        const live = new TestCloud(machine, { functions: workers.functions, dir });
        check(await live.run(), expected);
        const history = await live.history(executionArn);
        const ends = history.filter(({ type }) => /^Execution(Succeeded|Failed)$/.test(type));
        expect(ends).toEqual([history.at(-1)]);

        const replayed = new TestCloud(machine, { dir });
        replayed.states.resume();
        expect(await replayed.history(executionArn)).toEqual(history);

        const lines = readFileSync(journal, 'utf8').trimEnd().split('\n');
        for (const cut of cuts) {
          const kept = 1 + (cut % lines.length);
          writeFileSync(
            journal,
            lines
              .slice(0, kept)
              .map((line) => `${line}\n`)
              .join(''),
          );
          const { timeMs } = JSON.parse(lines[kept - 1]!) as { timeMs: number };
          const cloud = new TestCloud(machine, {
            functions: workers.functions,
            dir,
            clock: new SimulatedClock(timeMs),
          });
          cloud.states.resume();
          workers.goOn(cloud);
          await cloud.clock.run();
          check(await cloud.describe(executionArn), expected);
        }
      }),
      { numRuns: 120 },
    );
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
