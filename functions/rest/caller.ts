import { LayerMoverError } from '../../core/errors.ts';

const ASSUMED_ROLE = /^(arn:[\w-]+:sts::\d{12}:assumed-role\/[^/]+)\/.+$/;

/**
 * Who signed a request, as a host is bound to it: a user's ARN, or that of an assumed role without its session name,
 * which is another at each start of the same machine. Throws CALLER_REFUSED if nobody signed.
 */
export function callerOf(userArn: string | null | undefined): string {
  if (!userArn) {
    throw new LayerMoverError('CALLER_REFUSED', 'the request carries no identity', {
      hint: 'sign it with AWS Signature Version 4',
    });
  }
  return ASSUMED_ROLE.exec(userArn)?.[1] ?? userArn;
}
