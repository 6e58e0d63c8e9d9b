import { RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { MoverFunction } from './function.ts';
import { workflowDefinition } from './workflow/definition.ts';

/** The state machine of migrations. It may call the steps function and write its log, nothing else. */
export function createMachine(scope: Construct, steps: MoverFunction, logDays: number): StateMachine {
  const { functionArn } = steps.lambda;
  const role = new Role(scope, 'WorkflowRole', { assumedBy: new ServicePrincipal('states.amazonaws.com') });
  role.addToPolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [functionArn] }));
  const machine = new StateMachine(scope, 'Workflow', {
    role,
    definitionBody: DefinitionBody.fromString(JSON.stringify(workflowDefinition(functionArn))),
    logs: {
      destination: new LogGroup(scope, 'WorkflowLog', {
        retention: logDays,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      level: LogLevel.ALL,
      // States carry ids and counts; what they are about is in the records.
      includeExecutionData: false,
    },
  });
  acknowledge(role, 'AwsSolutions-IAM5[Resource::*]', 'Log delivery is set up by actions that know no resources.');
  acknowledge(
    machine,
    'AwsSolutions-SF2',
    'History and log name each state of a migration; traces would add cost, not sight.',
  );
  return machine;
}
