import * as z from 'zod';
import { collectionId } from '../../core/api/garbage.ts';
import { namespaceName } from '../../core/api/names.ts';

const collection = { namespace: namespaceName, collection: collectionId };

/** What the states of garbage collection say (infra/workflow/collection.ts); all else is in the run's record. */
export const collectionInput = z.discriminatedUnion('step', [
  z.object({ step: z.literal('begin'), ...collection, dry_run: z.boolean() }),
  z.object({ step: z.literal('collect'), ...collection }),
  z.object({
    step: z.literal('give-up'),
    ...collection,
    error: z.object({ Error: z.string().nullish(), Cause: z.string().nullish() }),
  }),
]);
export type CollectionInput = z.infer<typeof collectionInput>;
export type InputOf<S extends CollectionInput['step']> = Extract<CollectionInput, { step: S }>;
