/** Names in the object store (docs/FORMAT.md). A scope is what a key begins with: a namespace or one migration of it. */
export function namespaceScope(namespace: string): string {
  return `ns/${namespace}`;
}

export function migrationScope(namespace: string, migration: string): string {
  return `ns/${namespace}/migrations/${migration}`;
}

export const OBJECT_KINDS = ['packs', 'segments', 'placements', 'layers'] as const;
export type ObjectKind = (typeof OBJECT_KINDS)[number];

/** The key of an object by its id in hex; the two digits spread keys over the store's partitions. */
export function objectKey(scope: string, kind: ObjectKind, id: string): string {
  return `${scope}/${kind}/${id.slice(0, 2)}/${id}`;
}
