export const POLICIES = ['auto', 'kind', 'dedup', 'direct'] as const;
/**
 * `auto` predicts which treatment takes less time, for each layer. The others force what is not skipped: `kind` by what a layer is, as in
 * the paper (base layers are deduplicated, user data goes direct).
 */
export type Policy = (typeof POLICIES)[number];

export const TREATMENTS = ['skip', 'dedup', 'direct'] as const;
/** `skip`: the destination has it. `dedup`: what the index has is not sent. `direct`: all of it is sent. */
export type Treatment = (typeof TREATMENTS)[number];
