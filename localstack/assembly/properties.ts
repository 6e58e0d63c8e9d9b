import * as z from 'zod';
import { CloudError } from '../errors.ts';
import type { ResolvedResource } from './scope.ts';

/**
 * A resource's properties in the shape that the embedded cloud emulates.
 * @throws CloudError PROPERTY_UNSUPPORTED naming the resource and what does not fit
 */
export function parseProperties<T extends z.ZodType>(schema: T, resource: ResolvedResource): z.output<T> {
  const parsed = schema.safeParse(resource.properties);
  if (parsed.success) return parsed.data;
  const what = z.prettifyError(parsed.error).replaceAll(/\s+/g, ' ');
  const hint =
    'The embedded cloud emulates less than CloudFormation takes here; docs of the resource type tell the rest.';
  throw new CloudError('PROPERTY_UNSUPPORTED', `${resource.logicalId}: ${what}`, hint);
}
