import * as z from 'zod';
import { identityOf } from '../identity.ts';
import { limits } from '../limits.ts';

/** The forms of names and ids in the API. */
export const namespaceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'lower-case letters, digits and dashes, 32 at the most');

/** The namespace whose layers all others of a deployment may read; it has no hosts and no migrations (docs/adr/0023). */
export const PUBLIC_NAMESPACE = 'public';
/** A namespace that hosts and VMs may have. */
export const ownNamespace = namespaceName.refine(
  (name) => name !== PUBLIC_NAMESPACE,
  `${PUBLIC_NAMESPACE} is what all namespaces share: choose another name`,
);
export const placeName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes, 63 at the most');
export const vmName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, dot, dash and underscore, 64 at the most');
/** A disk of a VM that has several: the name of its top node in the QEMU that the VM was first told of with. */
export const diskName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/, 'letters, digits, dot, dash and underscore, 31 at the most');
export const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hex');
export const migrationId = z.string().regex(/^m[0-9a-f]{20}$/, 'a migration id');
export const taskId = z.string().regex(/^m[0-9a-f]{20}\.[A-Za-z0-9._-]{1,150}$/, 'a task id');
export const fileName = z
  .string()
  .min(1)
  .max(255)
  .refine((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..', 'a plain file name');
/** A file of a host's image folder: relative to that, or absolute. */
export const imagePath = z
  .string()
  .min(1)
  .max(limits.path_length_max)
  .regex(/^[^\0]+$/, 'a path');
export const count = z.number().int().nonnegative();

/** A host: `site/host`. */
export const hostRef = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9-]{0,62}$/, 'site/host')
  .transform((ref) => ref as HostRef);
export type HostRef = `${string}/${string}`;

/** A role or a user that a host may be bound to; read as identityOf names it. */
export const identityArn = z
  .string()
  .max(2048)
  .regex(
    /^arn:[\w-]+:(iam::\d{12}:(role|user)|sts::\d{12}:assumed-role)\/[\w+=,.@/-]+$/,
    'the ARN of a role or of a user',
  )
  .transform(identityOf);

/**
 * Which layer a transfer is of: a base layer’s id, or `ud:` and the VM’s name, with `/` and the disk’s if it has several; `file:` and
 * its number for a file that is registered.
 */
export const streamName = z
  .string()
  .regex(
    /^([0-9a-f]{64}|ud:[A-Za-z0-9][A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,30})?|file:\d{1,3})$/,
    'a layer id, ud:<vm>, ud:<vm>/<disk> or file:<number>',
  );

export const DEFAULT_NAMESPACE = 'default';
export const NAMESPACE_HEADER = 'x-layermover-namespace';
export const PATH_MAX = limits.path_length_max;
