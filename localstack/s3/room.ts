import { statfsSync } from 'node:fs';
import { S3Error } from './errors.ts';
import { S3_LIMITS } from './limits.ts';

/**
 * Room on the file system for what is being written. Objects never take the last of it: tables and journals of the same
 * cloud need some to go on, and a table that could not be written once is not written again before a restart.
 */
export class Room {
  readonly #dir: string;
  #promised = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Works on a file of at most `bytes`. Throws InsufficientCapacity instead of filling the file system. */
  async take<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const { bavail, bsize } = statfsSync(this.#dir);
    if (bavail * bsize - this.#promised - bytes < S3_LIMITS.reservedBytes) throw new S3Error('InsufficientCapacity');
    this.#promised += bytes;
    try {
      return await work();
    } catch (error) {
      throw isFull(error) ? new S3Error('InsufficientCapacity', undefined, { cause: error }) : error;
    } finally {
      this.#promised -= bytes;
    }
  }
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '');
}
