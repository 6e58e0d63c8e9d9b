import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { workflowDefinition } from '../../infra/workflow/definition.ts';
import { allStates } from './definition.ts';

/** The definition by others' reading of the States Language: schema, references, paths and ARNs. It has no types of its own. */
const validate = createRequire(import.meta.url)('asl-validator') as (
  definition: unknown,
  options: { readonly checkPaths: boolean; readonly checkArn: boolean },
) => { readonly isValid: boolean; readonly errors: readonly { readonly 'Error code': string }[] };

type Definition = ReturnType<typeof workflowDefinition>;
type Editable = Record<string, unknown>;

function judged(change: (states: Record<string, Editable>, definition: Editable) => void = () => {}) {
  const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:steps';
  const definition = JSON.parse(JSON.stringify(workflowDefinition(arn))) as Definition;
  const states = Object.fromEntries(
    allStates(definition).map(({ name, state }) => [name, state as unknown as Editable]),
  );
  change(states, definition as unknown as Editable);
  return validate(definition, { checkPaths: true, checkArn: true });
}

describe('the workflow is a States Language definition', () => {
  it('without a fault', () => {
    expect(judged()).toMatchObject({ isValid: true, errors: [] });
  });

  it.each<[string, Parameters<typeof judged>[0]]>([
    [
      'a state that nothing leads to',
      (_, definition) => Object.assign(definition.States as Editable, { Lost: { Type: 'Succeed' } }),
    ],
    ['a next state that is not there', ({ Prepare }) => Object.assign(Prepare!, { Next: 'Nowhere' })],
    ['a path that is none', ({ Prepare }) => Object.assign(Prepare!, { ResultPath: '$.[' })],
    ['an unknown type', ({ Finish }) => Object.assign(Finish!, { Type: 'Job' })],
    ['a resource that is no ARN', ({ Prepare }) => Object.assign(Prepare!, { Resource: 'steps' })],
    ['a heartbeat that is no number', ({ FollowRounds }) => Object.assign(FollowRounds!, { HeartbeatSeconds: 'soon' })],
  ])('and %s would be one', (_, change) => {
    expect(judged(change).isValid).toBe(false);
  });
});
