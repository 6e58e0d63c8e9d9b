import type { HostRef } from '../../core/api/names.ts';
import { type Route, routes } from '../../core/api/routes.ts';

/** Where an API is, as IAM names it. */
export interface ApiPlace {
  readonly partition: string;
  readonly region: string;
  readonly api: string;
  readonly stage: string;
}

const ON_AWS = /^https:\/\/([a-z0-9]+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([^/]+)\/?$/;

/** The place that an API's URL tells of; undefined for an emulator and for a domain of the user's own. */
export function apiPlace(url: string): ApiPlace | undefined {
  const [, api, region, stage] = ON_AWS.exec(url) ?? [];
  if (api === undefined || region === undefined || stage === undefined) return undefined;
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
  return { partition, region, api, stage };
}

/**
 * The IAM policy of the identity that signs for a host: it may call what its agent calls, its own enrolment and polls among
 * them and no other host's. Which tasks are its own the functions decide, by the ARN that it is bound to. Objects it
 * reaches by sessions that the API gives it, for which it needs no right.
 */
export function hostPolicy(host: HostRef, { partition, region, api, stage }: ApiPlace) {
  // The API's id names it; its account need not be known.
  const base = `arn:${partition}:execute-api:${region}:*:${api}/${stage}`;
  const called = Object.values<Route>(routes).filter((route) => route.by !== undefined);
  const Resource = called.map(({ method, path }) => `${base}/${method}${pathOf(path, host)}`);
  return {
    Version: '2012-10-17',
    Statement: [{ Sid: 'LayerMoverAgent', Effect: 'Allow', Action: 'execute-api:Invoke', Resource }],
  };
}

function pathOf(path: string, host: HostRef): string {
  return path.replace('{site}/{host}', host).replace(/\{\w+\}/g, '*');
}
