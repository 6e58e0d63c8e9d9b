import type { HostRef } from '../../core/api/names.ts';
import type { HostRecord, HostRegistry } from '../../core/ports.ts';
import { plain } from '../rules/plain.ts';
import { hostTaken } from '../rules/refusals.ts';

/** Enrolled hosts in memory. */
export function createMemoryHostRegistry(): HostRegistry {
  const namespaces = new Map<string, Map<HostRef, HostRecord>>();
  const hostsOf = (namespace: string) => namespaces.get(namespace) ?? new Map<HostRef, HostRecord>();

  return {
    async enrol(namespace, host) {
      const hosts = hostsOf(namespace);
      const known = hosts.get(host.ref);
      if (known !== undefined && known.caller !== host.caller) throw hostTaken(host.ref);
      namespaces.set(namespace, hosts.set(host.ref, plain(host)));
    },
    async find(namespace, ref) {
      const host = hostsOf(namespace).get(ref);
      return host && plain(host);
    },
    async list(namespace) {
      const hosts = [...hostsOf(namespace).values()].map(plain);
      return hosts.sort((a, b) => (a.ref < b.ref ? -1 : 1));
    },
  };
}
