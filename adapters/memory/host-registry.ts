import type { HostRef } from '../../core/api/names.ts';
import type { HostRecord, HostRegistry } from '../../core/ports.ts';
import { boundHost } from '../rules/bound-host.ts';
import { plain } from '../rules/plain.ts';
import { hostTaken, identityBound } from '../rules/refusals.ts';

/** Enrolled hosts in memory. */
export function createMemoryHostRegistry(): HostRegistry {
  const namespaces = new Map<string, Map<HostRef, HostRecord>>();
  const bound = new Map<string, string>();
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
    async bind(namespace, ref, identity) {
      const elsewhere = bound.get(identity) ?? namespace;
      if (elsewhere !== namespace) throw identityBound(identity, elsewhere);
      bound.set(identity, namespace);
      const hosts = hostsOf(namespace);
      if (hosts.get(ref)?.caller !== identity) namespaces.set(namespace, hosts.set(ref, boundHost(ref, identity)));
    },
    async boundTo(identity) {
      return bound.get(identity);
    },
  };
}
