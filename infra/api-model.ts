import { CfnModel, type IModel, Model, type RestApi } from 'aws-cdk-lib/aws-apigateway';
import * as z from 'zod';
import type { Route } from '../core/api/routes.ts';

/**
 * The model by which the gateway checks a route's body before a function is called: the contract's schema, as far as
 * JSON Schema draft 4 can say it. Undefined for a route without a JSON body.
 */
export function createModel(api: RestApi, name: string, { body, summary }: Route): IModel | undefined {
  if (body === undefined || body === 'binary') return undefined;
  const id = `${name[0]!.toUpperCase()}${name.slice(1)}Body`;
  const schema = withoutReferences(z.toJSONSchema(body, { io: 'input', target: 'draft-4', unrepresentable: 'any' }));
  const model = new CfnModel(api, id, {
    restApiId: api.restApiId,
    contentType: 'application/json',
    description: summary,
    schema,
  });
  // A stage goes on with the models of its deployment: another schema asks for another deployment.
  api.latestDeployment?.addToLogicalId({ [id]: schema });
  api.latestDeployment?.node.addDependency(model);
  return Model.fromModelName(api, `${id}Name`, model.ref);
}

/**
 * A schema with anything at all where it referred to a part of itself, as errors with causes do: LocalStack's gateway takes
 * every reference for another model's name and then refuses all bodies. The function checks the whole of it.
 */
function withoutReferences(schema: object): Record<string, unknown> {
  const { definitions, ...rest } = JSON.parse(
    JSON.stringify(schema, (_, value) => (value?.$ref === undefined ? value : {})),
  );
  return rest;
}
