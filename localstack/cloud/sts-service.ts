import type { AccessKey } from '../identity/keys.ts';
import { handleSts, type StsAnswer, stsErrorAnswer } from '../identity/sts.ts';
import { admit, type Guard } from './admit.ts';
import type { ServiceHandler } from './front.ts';

/** Serves STS's query protocol; of roles, those that the template declares can be assumed. */
export function stsService(guard: Guard, roleArns: readonly string[]): ServiceHandler {
  return async (req, res) => {
    const admitted = await admit(req, 'sts', guard);
    const answer =
      'error' in admitted
        ? stsErrorAnswer(admitted.error)
        : (refuseUnknownRole(admitted.key, admitted.text, roleArns) ??
          handleSts({ body: admitted.text, caller: admitted.key, keys: guard.keys }));
    res.writeHead(answer.status, { 'Content-Type': answer.contentType }).end(answer.body);
  };
}

/** A role that is not there is refused as AWS does it, in the words for one that the caller may not assume. */
function refuseUnknownRole(caller: AccessKey, body: string, roleArns: readonly string[]): StsAnswer | undefined {
  const role = new URLSearchParams(body).get('RoleArn');
  if (role === null || roleArns.includes(role)) return undefined;
  const message = `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${role}`;
  return stsErrorAnswer({ code: 'AccessDenied', message, status: 403 });
}
