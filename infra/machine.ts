import { RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { MoverFunction } from './function.ts';
import type { Machine } from './workflow/language.ts';

/**
 * A state machine whose states call one function, by which `definitionOf` is given its ARN. It may call that function and
 * write its log, nothing else.
 */
export function createMachine(
  scope: Construct,
  id: string,
  { lambda }: MoverFunction,
  { definitionOf, logDays }: { definitionOf: (functionArn: string) => Machine; logDays: number },
): StateMachine {
  const { functionArn } = lambda;
  const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal('states.amazonaws.com') });
  role.addToPolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [functionArn] }));
  const machine = new StateMachine(scope, id, {
    role,
    definitionBody: DefinitionBody.fromString(JSON.stringify(definitionOf(functionArn))),
    logs: {
      destination: new LogGroup(scope, `${id}Log`, {
        retention: logDays,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      level: LogLevel.ALL,
      // States carry ids and counts; what they are about is in the records.
      includeExecutionData: false,
    },
  });
  acknowledge(role, 'AwsSolutions-IAM5[Resource::*]', 'Log delivery is set up by actions that know no resources.');
  acknowledge(machine, 'AwsSolutions-SF2', 'History and log name each state; traces would add cost, not sight.');
  return machine;
}
