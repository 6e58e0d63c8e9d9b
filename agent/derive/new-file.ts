import { basename, dirname, join } from 'node:path';
import { LayerMoverError } from '../../core/errors.ts';
import { type Files, isRefusedWith } from '../../core/files.ts';
import { PARTIAL } from '../images/find.ts';

/** A file that gets its name when it is complete. Until then it is beside that, as `NAME.partial`. */
export class NewFile {
  readonly path: string;
  readonly folder: string;
  readonly partial: string;
  readonly #files: Files;

  private constructor(files: Files, folder: string, name: string) {
    this.#files = files;
    this.folder = folder;
    this.path = join(folder, name);
    this.partial = this.path + PARTIAL;
  }

  /** Errors: DISK_EXISTS if the name is taken, or the partial one: by another run, or by one that was killed; IMAGE_FOLDER_MISSING. */
  static async at(files: Files, path: string): Promise<NewFile> {
    const folder = await files.resolve(dirname(path)).catch((cause) => {
      throw new LayerMoverError('IMAGE_FOLDER_MISSING', `there is no folder ${dirname(path)}`, {
        hint: 'make it, or name another file',
        data: { folder: dirname(path) },
        cause,
      });
    });
    const file = new NewFile(files, folder, basename(path));
    if (files.exists(file.path))
      throw taken(file.path, 'nothing is overwritten: name another file, or remove that one');
    if (files.exists(file.partial))
      throw taken(file.partial, 'another run writes it; if none does, one was killed: remove it');
    return file;
  }

  /** Gives the complete file its name. Errors: DISK_EXISTS if somebody took it meanwhile. */
  async place(): Promise<void> {
    try {
      // Taking the name first fails if it is taken; a rename alone would replace what is there.
      await (await this.#files.open(this.path, 'create')).close();
    } catch (error) {
      if (isRefusedWith(error, 'EEXIST')) throw taken(this.path, 'name another file');
      throw error;
    }
    await this.#files.rename(this.partial, this.path);
    await this.#files.syncFolder(this.folder);
  }
}

function taken(path: string, hint: string): LayerMoverError {
  return new LayerMoverError('DISK_EXISTS', `${path} is there`, { hint, data: { path } });
}
