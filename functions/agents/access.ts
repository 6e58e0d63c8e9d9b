import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { HostRef } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { HostRecord } from '../../core/ports.ts';
import type { Task } from '../../core/task.ts';
import type { Telling } from '../cloud.ts';
import type { Caller } from '../rest/call.ts';

type Ports = Pick<CloudPorts, 'hosts' | 'tasks'> & Pick<Telling, 'log'>;

/** The host's record, if it was the caller who enrolled it. Throws HOST_UNKNOWN or CALLER_REFUSED. */
export async function requireHost(
  { hosts }: Pick<Ports, 'hosts'>,
  { namespace, caller }: Caller,
  ref: HostRef,
): Promise<HostRecord> {
  const host = await hosts.find(namespace, ref);
  if (host === undefined) {
    throw new LayerMoverError('HOST_UNKNOWN', `${ref} is not enrolled in ${namespace}`, {
      hint: 'start its agent, which enrols it',
    });
  }
  if (host.caller !== caller) {
    throw new LayerMoverError('CALLER_REFUSED', `${ref} is enrolled by another identity`, {
      hint: 'use the identity that this host is bound to, or that enrolled it: `layermover host enrol --identity ARN`',
    });
  }
  return host;
}

/** Throws CALLER_REFUSED if the caller is bound to hosts of another namespace. */
export async function requireNamespace({ hosts }: Pick<Ports, 'hosts'>, { namespace, caller }: Caller): Promise<void> {
  const bound = await hosts.boundTo(caller);
  if (bound === undefined || bound === namespace) return;
  throw new LayerMoverError('CALLER_REFUSED', `${caller} is bound to another namespace than ${namespace}`, {
    hint: 'name the namespace of its host in the cloud file',
  });
}

/** Throws CALLER_REFUSED if the caller is bound to a host: it speaks for that, not for all of a namespace. `what` it asked for. */
export async function requireUnbound({ hosts }: Pick<Ports, 'hosts'>, { caller }: Caller, what: string): Promise<void> {
  if ((await hosts.boundTo(caller)) === undefined) return;
  throw new LayerMoverError('CALLER_REFUSED', `${caller} speaks for a host and can't ${what}`, {
    hint: 'use an operator’s credentials',
  });
}

/** A task of the caller's host, in whatever state. Throws TASK_UNKNOWN or CALLER_REFUSED. */
export async function requireOwnTask(ports: Ports, caller: Caller, id: string): Promise<Task> {
  const task = await ports.tasks.find(id);
  if (task?.namespace !== caller.namespace) throw new LayerMoverError('TASK_UNKNOWN', `there is no task ${id}`);
  await requireHost(ports, caller, task.host);
  ports.log.about({ migration: task.migration, run: task.input.run, host: task.host });
  return task;
}

/** An open task of the caller's host, at this attempt. Throws what requireOwnTask does, ABORTED or ATTEMPT_STALE. */
export async function requireTask(ports: Ports, caller: Caller, id: string, attempt: number): Promise<Task> {
  const task = await requireOwnTask(ports, caller, id);
  if (task.outcome?.status === 'cancelled') throw new LayerMoverError('ABORTED', `${id} was cancelled`);
  if (task.state === 'closed' || task.attempt !== attempt) throw attemptStale(id, attempt);
  return task;
}

export function attemptStale(id: string, attempt: number): LayerMoverError {
  return new LayerMoverError('ATTEMPT_STALE', `attempt ${attempt} of ${id} is not the one that counts`, {
    hint: 'poll: the task was handed out anew, or it is done',
    data: { task: id, attempt },
  });
}
