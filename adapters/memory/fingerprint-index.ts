import type { Claim, FingerprintIndex } from '../../core/ports.ts';

/** Index rows and claims in memory. */
export function createMemoryFingerprintIndex(): FingerprintIndex {
  const rows = new Map<string, string>();
  const claims = new Map<string, Claim>();

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
      for (const hook of hooks) {
        const key = `${namespace}#${hook}`;
        if (!rows.has(key)) rows.set(key, pack);
      }
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
  };
}
