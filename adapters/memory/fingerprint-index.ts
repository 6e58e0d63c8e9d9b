import type { Claim, FingerprintIndex } from '../../core/ports.ts';

/** Index rows and claims in memory. */
export function createMemoryFingerprintIndex(): FingerprintIndex {
  const rows = new Map<string, string>();
  const claims = new Map<string, Claim>();
  const condemned = new Set<string>();

  return {
    async lookup(namespace, hooks) {
      const found = new Map<string, string>();
      for (const hook of hooks) {
        const pack = rows.get(`${namespace}#${hook}`);
        if (pack !== undefined) found.set(hook, pack);
      }
      return found;
    },
    async add(namespace, hooks, pack) {
      const missing = new Set(hooks.map((hook) => `${namespace}#${hook}`).filter((key) => !rows.has(key)));
      for (const key of missing) rows.set(key, pack);
      return missing.size;
    },
    async claim(namespace, batch, wanted, nowMs) {
      const key = `${namespace}#${batch}`;
      const standing = claims.get(key);
      if (standing !== undefined && standing.owner !== wanted.owner && standing.untilMs > nowMs) return { ...standing };
      claims.set(key, { ...wanted });
      return { ...wanted };
    },
    async release(namespace, batch, owner) {
      const key = `${namespace}#${batch}`;
      if (claims.get(key)?.owner === owner) claims.delete(key);
    },
    async rows(namespace, part, parts) {
      const own = [...rows].filter(([key]) => key.startsWith(`${namespace}#`));
      const found = own.map(([key, pack]) => [key.slice(namespace.length + 1), pack] as const);
      return new Map(found.filter(([hook]) => Number.parseInt(hook.slice(-8), 16) % parts === part));
    },
    async remove(namespace, hooks, pack) {
      const named = new Set(hooks.map((hook) => `${namespace}#${hook}`).filter((key) => rows.get(key) === pack));
      for (const key of named) rows.delete(key);
      return named.size;
    },
    async condemn(namespace, pack) {
      condemned.add(`${namespace}#${pack}`);
    },
    async condemned(namespace, packs) {
      return new Set(packs.filter((pack) => condemned.has(`${namespace}#${pack}`)));
    },
    async acquit(namespace, pack) {
      condemned.delete(`${namespace}#${pack}`);
    },
  };
}
