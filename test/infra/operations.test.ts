import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { BY_TREATMENT, metrics } from '../../core/metrics.ts';
import { ALARMS } from '../../infra/cost.ts';
import { LayerMover } from '../../infra/layer-mover.ts';
import { sources } from '../limits/sources.ts';
import { stubBundles } from './stub-bundles.ts';

/** Of CloudWatch: an alarm on a metric math expression takes this many metrics. */
const ALARM_METRICS_MAX = 10;

interface AlarmProperties {
  readonly AlarmDescription: string;
  readonly AlarmActions: readonly unknown[];
  readonly Threshold: number;
  readonly Metrics?: readonly { readonly MetricStat?: unknown; readonly Expression?: string }[];
}

const dir = mkdtempSync(path.join(tmpdir(), 'layermover-operations-'));
afterAll(() => rmSync(dir, { recursive: true }));

let alarms: AlarmProperties[];
let template: Template;
beforeAll(() => {
  const stack = new Stack(new App({ outdir: path.join(dir, 'out') }), 'Theirs');
  const alarmTopic = new Topic(stack, 'OnCall');
  new LayerMover(stack, 'Mover', { bundles: stubBundles(dir), alarmTopic, dollarsPerHourMax: 7 });
  template = Template.fromStack(stack);
  const found = Object.values(template.findResources('AWS::CloudWatch::Alarm'));
  alarms = found.map(({ Properties }) => Properties as AlarmProperties);
});

it('every alarm has its section in the runbook, and every section its alarm', () => {
  const runbook = readFileSync(path.resolve(import.meta.dirname, '../../docs/OPERATIONS.md'), 'utf8');
  const sections = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  const named = alarms.map(({ AlarmDescription }) => /OPERATIONS\.md, (\w+)$/.exec(AlarmDescription)?.[1]);
  expect(named.toSorted()).toEqual(sections.toSorted());
});

it('alarms reach who is to hear of them', () => {
  for (const { AlarmActions } of alarms) expect(AlarmActions).toHaveLength(1);
});

it('alarms add up no more metrics than CloudWatch lets them', () => {
  for (const { Metrics = [], AlarmDescription } of alarms) {
    const added = Metrics.filter(({ MetricStat }) => MetricStat !== undefined);
    expect(added.length, AlarmDescription).toBeLessThanOrEqual(ALARM_METRICS_MAX);
  }
});

it('the bound on cost is the one that was asked for', () => {
  const [cost] = alarms.filter(({ AlarmDescription }) => AlarmDescription.endsWith('CostPerHour'));
  expect(cost).toMatchObject({ Threshold: 7 });
  const expression = cost?.Metrics?.find((each) => each.Expression !== undefined)?.Expression;
  expect(expression).toMatch(/^FILL\(calls,0\)\*0\.0000\d+\+FILL\(steps,0\)\*0\.000\d+$/);
});

it('are as many as the cost page says', () => {
  expect(alarms).toHaveLength(ALARMS);
});

describe('what the functions measure', () => {
  const OURS = /"LayerMover","(\w+)","service","Theirs"(?:,"treatment","(\w+)")?/g;
  const shown = () => {
    const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
    const text = JSON.stringify(dashboard).replaceAll('\\', '');
    return [...text.matchAll(OURS)].map(([, name, treatment]) => ({ name: name!, treatment }));
  };

  it('is all on the dashboard, told apart by treatment where it is', () => {
    const found = shown();
    expect(new Set(found.map(({ name }) => name))).toEqual(new Set(Object.keys(metrics)));
    const treated = found.filter(({ treatment }) => treatment !== undefined).map(({ name }) => name);
    expect(new Set(treated)).toEqual(new Set(BY_TREATMENT));
    for (const name of BY_TREATMENT) expect(found).not.toContainEqual({ name, treatment: undefined });
  });

  it('is measured somewhere', () => {
    const code = sources('functions');
    const unmeasured = Object.keys(metrics).filter(
      (name) => ![...code.values()].some((text) => text.includes(`measure('${name}'`)),
    );
    expect(unmeasured).toEqual([]);
  });

  it('raises alarms: of agents that fell silent, and of migrations of which nothing moves', () => {
    const read = (name: string) =>
      JSON.stringify(alarms.find(({ AlarmDescription }) => AlarmDescription.endsWith(name)));
    expect(read('AgentSilent')).toContain('SilentAgents');
    expect(read('MigrationStuck')).toContain('Standstill');
    expect(read('MigrationStuck')).toContain(`IF(FILL(still,0)>=${limits.standstill_alarm_ms},1,0)`);
  });
});

it('there is one dashboard', () => {
  template.resourceCountIs('AWS::CloudWatch::Dashboard', 1);
});
