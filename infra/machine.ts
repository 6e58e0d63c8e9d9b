import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { DefinitionBody, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { MoverFunction } from './function.ts';
import { workflowDefinition } from './workflow/definition.ts';

/** The state machine of migrations. It may call the steps function, nothing else. */
export function createMachine(scope: Construct, steps: MoverFunction): StateMachine {
  const { functionArn } = steps.lambda;
  const role = new Role(scope, 'WorkflowRole', { assumedBy: new ServicePrincipal('states.amazonaws.com') });
  role.addToPolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [functionArn] }));
  return new StateMachine(scope, 'Workflow', {
    role,
    definitionBody: DefinitionBody.fromString(JSON.stringify(workflowDefinition(functionArn))),
  });
}
