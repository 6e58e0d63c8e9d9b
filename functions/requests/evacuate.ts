import type * as z from 'zod';
import type { hostEvacuate } from '../../core/api/events.ts';
import type { HostRef } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { create, migrationIdOf } from '../migrations/create.ts';
import type { RequestDeps } from './deps.ts';

/**
 * Asks for as many migrations as it takes to move every VM that a host announces, that is not another's by now and that
 * nobody else is moving. The same request again answers the migrations that it has made, and makes those that it has
 * not come to. Errors: HOST_UNKNOWN and those of creating migrations.
 */
export async function evacuate(
  deps: RequestDeps,
  eventId: string,
  {
    namespace,
    request_id = eventId,
    from,
    to,
    policy,
    mode,
    live,
    max_rate_bytes_per_second,
  }: z.output<typeof hostEvacuate>,
): Promise<string[]> {
  const made = await madeBefore(deps, namespace, request_id);
  const asked = new Set(made.flatMap(({ vmNames }) => vmNames));
  const left = (await movable(deps, namespace, from)).filter((name) => !asked.has(name));
  const ids = made.map(({ id }) => id);
  for (let first = 0; first < left.length; first += limits.gang_vms_max) {
    const vms = left.slice(first, first + limits.gang_vms_max);
    const size = { chunk_bytes: limits.chunk_bytes_default, plan_only: false };
    const how = { policy, mode, live, max_rate_bytes_per_second, ...size };
    const asking = { vms, from, to, ...how };
    const body = { request_id: gangId(request_id, ids.length), ...asking };
    ids.push((await create(deps, { namespace, body })).id);
  }
  return ids;
}

function gangId(requestId: string, gang: number): string {
  return `${requestId}.${gang}`;
}

async function madeBefore({ migrations }: RequestDeps, namespace: string, requestId: string) {
  const made = [];
  for (let gang = 0; gang < limits.vms_per_host_max; gang++) {
    const record = await migrations.find(migrationIdOf(namespace, gangId(requestId, gang)));
    if (record === undefined) break;
    made.push(record);
  }
  return made;
}

/** Names of the VMs that can be moved away from a host now, in order. */
async function movable({ hosts, vms, clock }: RequestDeps, namespace: string, from: HostRef): Promise<string[]> {
  const host = await hosts.find(namespace, from);
  if (host === undefined) {
    throw new LayerMoverError('HOST_UNKNOWN', `no agent has enrolled ${from} in ${namespace}`, {
      data: { host: from },
    });
  }
  const names: string[] = [];
  for (const name of [...host.vms].sort()) {
    const ownership = await vms.find(namespace, name);
    const isOurs = ownership === undefined || ownership.owner === from;
    if (isOurs && (ownership?.lease?.untilMs ?? 0) <= clock.nowMs()) names.push(name);
  }
  return names;
}
