import { hasCode, LayerMoverError } from '../core/errors.ts';

/** What the command's exit status means; also in every verb's help. */
export const EXIT = {
  done: 0,
  /** The operation ran and failed, or a migration did not commit. */
  failed: 1,
  /** The call's words are off. */
  usage: 2,
  /** No such migration, VM, host or layer. */
  unknown: 3,
  /** The cloud can't be reached, or it doesn't know these credentials. */
  unreachable: 4,
  /** Stopped by a signal. */
  interrupted: 130,
} as const;

const UNKNOWN = ['MIGRATION_UNKNOWN', 'VM_UNKNOWN', 'HOST_UNKNOWN', 'LAYER_UNKNOWN', 'COLLECTION_UNKNOWN', 'NOT_FOUND'];
const UNREACHABLE = [
  'CLOUD_FILE_MISSING',
  'CLOUD_FILE_INVALID',
  'CREDENTIALS_MISSING',
  'REGION_MISSING',
  'STACK_UNKNOWN',
  'API_UNREACHABLE',
  'API_TIMEOUT',
  'CALLER_REFUSED',
  'CLOCK_SKEWED',
];
const USAGE = [
  'BODY_INVALID',
  'CONTEXT_INVALID',
  'LAYER_AMBIGUOUS',
  'USAGE',
  'REPORT_FILE_TAKEN',
  'KINDS_MISMATCH',
  'GEOMETRY_REFUSED',
];

export function exitCodeOf(error: unknown): number {
  if (hasCode(error, ...UNKNOWN)) return EXIT.unknown;
  if (hasCode(error, ...UNREACHABLE)) return EXIT.unreachable;
  if (hasCode(error, ...USAGE)) return EXIT.usage;
  if (hasCode(error, 'INTERRUPTED')) return EXIT.interrupted;
  return EXIT.failed;
}

/** The codes as the last lines of a verb's help. */
export const exitCodesHelp = `
Exit codes: 0 done · 1 failed or not committed · 2 the call's words are off · 3 no such migration, VM,
host or layer · 4 the cloud can't be reached or refuses these credentials · 130 stopped by a signal`;

export function usage(message: string, hint: string): LayerMoverError {
  return new LayerMoverError('USAGE', message, { hint });
}
