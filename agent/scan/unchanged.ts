import { LayerMoverError } from '../../core/errors.ts';
import { type FileIdentity, identitiesOf, sameFiles } from '../catalog/identity.ts';
import type { DiskLayer } from '../disk/layer.ts';

type FilesOf = Pick<DiskLayer, 'path' | 'paths' | 'files'>;

/** Watches that a layer's files stay what they were. */
export class Unchanged {
  readonly #layer: FilesOf;
  readonly #before: readonly (FileIdentity | undefined)[];

  private constructor(layer: FilesOf, before: readonly (FileIdentity | undefined)[]) {
    this.#layer = layer;
    this.#before = before;
  }

  static async since(layer: FilesOf): Promise<Unchanged> {
    return new Unchanged(layer, await identitiesOf(layer));
  }

  /** Throws LAYER_CHANGED if the file was written, replaced or removed since. */
  async check(): Promise<void> {
    const { path } = this.#layer;
    if (sameFiles(this.#before, await identitiesOf(this.#layer))) return;
    throw new LayerMoverError('LAYER_CHANGED', `${path} changed while it was being read`, {
      hint: 'stop whatever writes to it, then begin again',
      data: { path },
    });
  }
}
