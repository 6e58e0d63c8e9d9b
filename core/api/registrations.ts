import * as z from 'zod';
import { BASE_KINDS } from '../kinds.ts';
import { limits } from '../limits.ts';
import { errorJson } from './agent.ts';
import { count, digest, hostRef, imagePath, migrationId } from './names.ts';
import { container } from './tasks.ts';

export const registrationRequest = z.object({
  /** The same request id again answers the same registration. */
  request_id: z.string().regex(/^[A-Za-z0-9._:-]{8,64}$/),
  /** Where the files lie. */
  host: hostRef,
  files: z
    .array(imagePath)
    .min(1)
    .max(limits.register_files_max)
    .refine((files) => new Set(files).size === files.length, 'each file once'),
  /** Of what the files themselves hold; what they are based on follows from that. */
  kind: z.enum(BASE_KINDS),
  /** Store the layers where every namespace of the deployment may read them. */
  publish: z.boolean().default(false),
  chunk_bytes: count.default(limits.chunk_bytes_default),
});
export type RegistrationRequest = z.infer<typeof registrationRequest>;

export const REGISTRATION_STATES = ['fingerprinting', 'publishing', 'done', 'failed', 'aborted'] as const;

const bytes = { done_bytes: count, total_bytes: count };

export const registrationView = z.object({
  /** It is aborted and resumed as a migration is. */
  id: migrationId,
  state: z.enum(REGISTRATION_STATES),
  host: hostRef,
  files: z.array(z.string()),
  kind: z.enum(BASE_KINDS),
  publish: z.boolean(),
  run: count,
  created_ms: count,
  updated_ms: count,
  ended_ms: count.optional(),
  /** Raw bytes that were read, of those that the files hold as far as it is known. */
  read: z.object(bytes),
  /** What was published: raw bytes, and those that crossed the wire, were stored, and were there already. */
  sent: z.object({ ...bytes, wire_bytes: count, stored_bytes: count, deduped_bytes: count }),
  /** Each layer once, after its parent; empty until they are known. */
  layers: z.array(
    z.object({
      layer_id: digest,
      parent: digest.nullable(),
      kind: z.enum(BASE_KINDS),
      name: z.string(),
      virtual_bytes: count,
      logical_bytes: count,
      container,
      published: z.boolean(),
    }),
  ),
  error: errorJson.optional(),
});
export type RegistrationView = z.infer<typeof registrationView>;
