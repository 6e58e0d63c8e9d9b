/** What a migration fails with when an object that it needs of the store is damaged, or gone. */
export const STORE_DAMAGED = [
  'MANIFEST_CORRUPT',
  'PLACEMENT_CORRUPT',
  'FRAME_CORRUPT',
  'CHUNK_CORRUPT',
  'OBJECT_MISSING',
] as const;

/** What its reader is to do. */
export const MEND_HINT =
  'nothing of it was written. `layermover index rebuild --check` takes what is damaged out of the store, then `layermover resume ID` sends it anew';
