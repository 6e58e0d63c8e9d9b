import { LayerMoverError } from '../../core/errors.ts';
import { identityOf } from '../../core/identity.ts';

/** Who signed a request, as a host is bound to it. Throws CALLER_REFUSED if nobody signed. */
export function callerOf(userArn: string | null | undefined): string {
  if (userArn) return identityOf(userArn);
  throw new LayerMoverError('CALLER_REFUSED', 'the request carries no identity', {
    hint: 'sign it with AWS Signature Version 4',
  });
}
