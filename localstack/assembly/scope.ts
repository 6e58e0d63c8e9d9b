import { CloudError } from '../errors.ts';
import type { Template, TemplateResource } from './assembly.ts';
import { assertKnownType, emulated, type Identity, identifyIgnored, nameProperty, type Place } from './identity.ts';
import { conditionHolds, NO_VALUE, resolveValue, type Scope } from './intrinsics.ts';

/** A resource with its intrinsics resolved. */
export interface ResolvedResource {
  readonly logicalId: string;
  readonly identity: Identity;
  readonly properties: unknown;
}

/** A template whose expressions can be resolved. */
export interface ResolvedTemplate {
  /** The resources of an emulated type, in the template's order; those whose condition fails are absent. */
  ofType(...types: readonly string[]): ResolvedResource[];
  readonly outputs: Readonly<Record<string, string>>;
}

/**
 * Resolves a template. Identities depend on names only, so every expression can be resolved when it is asked for,
 * whatever the order of resources.
 * @throws CloudError RESOURCE_UNSUPPORTED, INTRINSIC_UNSUPPORTED, INTRINSIC_INVALID
 */
export function resolveTemplate(template: Template, place: Place): ResolvedTemplate {
  for (const [logicalId, { Type }] of Object.entries(template.Resources)) assertKnownType(logicalId, Type);
  const scope = createScope(template, place);
  const live = (condition: string | undefined) => condition === undefined || conditionHolds(condition, scope);
  const outputs = Object.entries(template.Outputs ?? {}).filter(([, { Condition }]) => live(Condition));
  return {
    ofType: (...types) =>
      Object.entries(template.Resources)
        .filter(([, { Type, Condition }]) => types.includes(Type) && live(Condition))
        .map(([logicalId, { Properties }]) => ({
          logicalId,
          identity: scope.identity(logicalId),
          properties: resolveValue(Properties ?? {}, scope),
        })),
    outputs: Object.fromEntries(outputs.map(([name, { Value }]) => [name, String(resolveValue(Value, scope))])),
  };
}

function createScope(template: Template, place: Place): Scope & { identity(logicalId: string): Identity } {
  const known = new Map<string, Identity>();
  const pseudo: Readonly<Record<string, unknown>> = {
    'AWS::Region': place.region,
    'AWS::AccountId': place.account,
    'AWS::Partition': 'aws',
    'AWS::URLSuffix': 'amazonaws.com',
    'AWS::StackName': place.stackName,
    'AWS::StackId': `arn:aws:cloudformation:${place.region}:${place.account}:stack/${place.stackName}/embedded`,
    'AWS::NoValue': NO_VALUE,
  };
  const scope = {
    ref(name: string): unknown {
      if (Object.hasOwn(pseudo, name)) return pseudo[name];
      const parameter = template.Parameters?.[name];
      return parameter === undefined ? scope.identity(name).ref : parameter.Default;
    },
    attribute(logicalId: string, name: string): unknown {
      const value = scope.identity(logicalId).attributes[name];
      if (value === undefined) throw unresolvable(`${logicalId} has no attribute ${name} here`);
      return value;
    },
    condition(name: string): unknown {
      const expression = template.Conditions?.[name];
      if (expression === undefined) throw unresolvable(`there is no condition ${name}`);
      return expression;
    },
    identity(logicalId: string): Identity {
      const resource = template.Resources[logicalId];
      if (resource === undefined) throw unresolvable(`there is no resource or parameter ${logicalId}`);
      const identity = known.get(logicalId) ?? identify(logicalId, resource, place, scope);
      known.set(logicalId, identity);
      return identity;
    },
  };
  return scope;
}

function identify(logicalId: string, resource: TemplateResource, place: Place, scope: Scope): Identity {
  const identifyType = emulated[resource.Type];
  if (identifyType === undefined) return identifyIgnored(resource.Type, place, logicalId);
  const given = resource.Properties?.[nameProperty[resource.Type] ?? ''];
  return identifyType(place, logicalId, given === undefined ? undefined : String(resolveValue(given, scope)));
}

function unresolvable(message: string): CloudError {
  return new CloudError('INTRINSIC_INVALID', message, 'Look at the template in the assembly directory.');
}
