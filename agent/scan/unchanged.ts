import { LayerMoverError } from '../../core/errors.ts';
import { type FileIdentity, identityOf, sameFile } from '../catalog/identity.ts';

/** Watches that a layer's file stays the one it was. */
export class Unchanged {
  readonly #path: string;
  readonly #before: FileIdentity | undefined;

  private constructor(path: string, before: FileIdentity | undefined) {
    this.#path = path;
    this.#before = before;
  }

  static async since(path: string): Promise<Unchanged> {
    return new Unchanged(path, await identityOf(path));
  }

  /** Throws LAYER_CHANGED if the file was written, replaced or removed since. */
  async check(): Promise<void> {
    if (sameFile(this.#before, await identityOf(this.#path))) return;
    throw new LayerMoverError('LAYER_CHANGED', `${this.#path} changed while it was being read`, {
      hint: 'stop whatever writes to it, then run the migration again',
      data: { path: this.#path },
    });
  }
}
