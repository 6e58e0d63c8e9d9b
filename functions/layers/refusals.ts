import { LayerMoverError } from '../../core/errors.ts';

export function layerUnknown(id: string): LayerMoverError {
  return new LayerMoverError('LAYER_UNKNOWN', `nobody knows a layer ${id} here`, {
    hint: '`layermover layer list` shows those there are',
  });
}

export function lastCopy(id: string): LayerMoverError {
  return new LayerMoverError('LAYER_LAST_COPY', `the store has layer ${id}, and no host of this namespace holds it`, {
    hint: 'once it has gone nobody can bring it back; --force withdraws it all the same',
    data: { layer: id },
  });
}
