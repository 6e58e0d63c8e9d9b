import type { ApiClient } from '../../../adapters/api/client.ts';
import type { StoredLayerView } from '../../../core/api/views.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { usage } from '../../exit-codes.ts';

/**
 * The layer whose id begins like that: so many digits as tell it from others will do, six at the least. Throws LAYER_UNKNOWN or
 * LAYER_AMBIGUOUS.
 */
export async function findLayer(client: ApiClient, text: string, published: boolean): Promise<StoredLayerView> {
  if (!/^[0-9a-f]{6,64}$/.test(text))
    throw usage(`${text} is no layer’s id`, '64 hex digits, or the first of them; `layermover layer list` shows them');
  if (text.length === 64) return await client.call('getLayer', { params: { layer: text } });
  // Ids are listed in order: those that begin like that come first after it.
  const query = { limit: 2, after: text, published: String(published) };
  const { layers } = await client.call('listLayers', { query });
  const [found, another] = layers.filter(({ layer_id }) => layer_id.startsWith(text));
  if (found === undefined)
    throw new LayerMoverError('LAYER_UNKNOWN', `nobody knows a layer ${text}…`, {
      hint: '`layermover layer list` shows those there are',
    });
  if (another === undefined) return found;
  throw new LayerMoverError('LAYER_AMBIGUOUS', `several layers’ ids begin with ${text}`, {
    hint: 'give more digits of it',
    data: { layers: [found.layer_id, another.layer_id] },
  });
}
