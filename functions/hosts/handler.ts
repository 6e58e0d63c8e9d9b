import { limits } from '../../core/limits.ts';
import type { Call } from '../rest/call.ts';
import { createRestHandler, type RestHandler } from '../rest/handler.ts';
import type { HostDeps } from './deps.ts';
import { bind, enrol } from './enrol.ts';
import { Pace } from './pace.ts';
import { poll } from './poll.ts';

/** Enrolment, list and polls of hosts. */
export function createHandler(deps: HostDeps): RestHandler {
  const pollDeps = {
    ...deps,
    beats: new Pace(limits.beat_ms),
    progress: new Pace(limits.progress_ms),
    standstills: new Pace(limits.standstill_told_ms),
  };
  return createRestHandler(
    'hosts',
    {
      enrolHost: (call) => enrol(deps, call),
      bindHost: (call) => bind(deps, call),
      listHosts: (call) => list(deps, call),
      poll: (call) => poll(pollDeps, call),
    },
    deps,
  );
}

async function list({ hosts }: HostDeps, { namespace }: Call<'listHosts'>) {
  const enrolled = await hosts.list(namespace);
  return {
    hosts: enrolled.map(({ ref, version, vms, freeBytes, seenMs }) => ({
      host: ref,
      version,
      vms: [...vms],
      free_bytes: freeBytes,
      seen_ms: seenMs,
    })),
  };
}
