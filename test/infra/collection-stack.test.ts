import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { synthesize } from '../../infra/synth.ts';
import { collectionDefinition } from '../../infra/workflow/collection.ts';
import { loadModel } from '../../localstack/assembly/load.ts';
import { ASSEMBLIES } from './assemblies.ts';

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
}

let model: ReturnType<typeof loadModel>;
let own: Statement[];

beforeAll(() => {
  const assembly = synthesize(ASSEMBLIES);
  const template = Template.fromJSON(JSON.parse(readFileSync(path.join(assembly, 'LayerMover.template.json'), 'utf8')));
  model = loadModel(assembly);
  const policies = Object.entries(template.findResources('AWS::IAM::Policy'));
  own = policies
    .filter(([id]) => id.includes('ControlPlaneGcRole'))
    .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement as Statement[]);
});

describe('garbage collection', () => {
  it('may remove objects by their kinds, store its own filters, and go through no table', () => {
    const keysOf = (action: string) =>
      own
        .filter((each) => [each.Action].flat().includes(action))
        .flatMap((each) =>
          [each.Resource].flat().flatMap((resource) => JSON.stringify(resource).match(/ns\/\*\/\w+/g)),
        );
    const kinds = ['garbage', 'layers', 'packs', 'placements', 'segments'].map((kind) => `ns/*/${kind}`);
    expect([...new Set(keysOf('s3:DeleteObject'))].toSorted()).toEqual(kinds);
    expect(keysOf('s3:PutObject')).toEqual(['ns/*/garbage']);
    const writes = own.filter((each) => [each.Action].flat().includes('dynamodb:PutItem'));
    expect(JSON.stringify(writes)).toMatch(/IndexTable/);
    expect(JSON.stringify(writes)).not.toMatch(/(Vms|Migrations|Tasks|Hosts)Table/);
  });

  it('is the one definition, on the gc function, and begins by itself', () => {
    const machine = model.machines.find((each) => each.name.includes('Collector'));
    const gc = model.functions.find((each) => each.name.includes('PlaneGcFunction'))!;
    expect(machine?.definition).toEqual(JSON.parse(JSON.stringify(collectionDefinition(gc.arn))));
    expect(gc.timeoutSeconds * 2000).toBeLessThanOrEqual(limits.removal_fence_ms);
    const rules = model.rules.filter((each) => each.recurrence !== undefined);
    // What is published is collected as any namespace is.
    expect(rules).toMatchObject(
      ['default', 'public'].map((namespace) => ({
        recurrence: { expression: `rate(${limits.collection_every_days} days)` },
        targets: [{ arn: machine!.arn, input: JSON.stringify({ namespace, dry_run: false }) }],
      })),
    );
  });
});
