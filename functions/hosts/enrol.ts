import type { HostRef } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { requireUnbound } from '../agents/access.ts';
import type { Call, Caller } from '../rest/call.ts';
import type { HostDeps } from './deps.ts';

/** An agent announces its host, and which base layers it has or has lost. Throws HOST_TAKEN, or CALLER_REFUSED as requireFreedom does. */
export async function enrol(deps: HostDeps, call: Call<'enrolHost'>) {
  const { namespace, caller, path, body } = call;
  const ref: HostRef = `${path.site}/${path.host}`;
  const { version, vms, free_bytes: freeBytes, rates } = body;
  await requireFreedom(deps, call, ref);
  const known = rates === undefined ? {} : { rates };
  await deps.hosts.enrol(namespace, { ref, caller, version, vms, freeBytes, seenMs: deps.clock.nowMs(), ...known });
  await deps.layers.announce(namespace, ref, body.layers);
  for (const layer of body.lost) await deps.layers.withdraw(namespace, ref, layer);
  return { ok: true as const };
}

/**
 * An operator says who speaks for a host, before anybody enrols it or instead of who did. Throws CALLER_REFUSED for a caller
 * who is bound to a host, IDENTITY_BOUND for an identity of another namespace or the caller's own: it would speak for hosts
 * alone from now on.
 */
export async function bind({ hosts }: HostDeps, call: Call<'bindHost'>) {
  const { namespace, caller, path, body } = call;
  const ref: HostRef = `${path.site}/${path.host}`;
  const { identity } = body;
  await requireUnbound({ hosts }, call, 'bind any');
  if (identity === caller)
    throw new LayerMoverError('IDENTITY_BOUND', 'an operator that was bound to a host could bind no other', {
      hint: 'give the host a role or a user of its own',
    });
  await hosts.bind(namespace, ref, identity);
  return { host: ref, identity };
}

/** An identity that an operator has bound to hosts enrols those alone. Others enrol what is free. Throws CALLER_REFUSED. */
async function requireFreedom({ hosts }: HostDeps, { namespace, caller }: Caller, ref: HostRef): Promise<void> {
  const bound = await hosts.boundTo(caller);
  if (bound === undefined) return;
  if (bound === namespace && (await hosts.find(namespace, ref))?.caller === caller) return;
  throw new LayerMoverError('CALLER_REFUSED', `${caller} is bound to other hosts than ${ref} of ${namespace}`, {
    hint: `bind it: \`layermover host enrol --site SITE --host HOST --identity ARN\``,
    data: { host: ref },
  });
}
