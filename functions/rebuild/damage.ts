import { hasCode, type LayerMoverError } from '../../core/errors.ts';

/** What reading an object that is not what its name says ends with. */
const DAMAGE = [
  'FORMAT_REFUSED',
  'GEOMETRY_REFUSED',
  'FRAME_CORRUPT',
  'CHUNK_CORRUPT',
  'PLACEMENT_CORRUPT',
  'MANIFEST_CORRUPT',
  'OBJECT_TOO_LARGE',
  'OBJECT_RANGE',
] as const;

export function isDamage(error: unknown): error is LayerMoverError {
  return hasCode(error, ...DAMAGE);
}

/** What is damaged about an object, undefined if nothing is. It is read twice before it is called damaged: bytes may also be changed on their way. */
export async function damageOf(read: () => Promise<unknown>): Promise<string | undefined> {
  const once = () =>
    read().then(
      () => undefined,
      (error: unknown) => {
        if (isDamage(error)) return error.message;
        throw error;
      },
    );
  return (await once()) === undefined ? undefined : once();
}
