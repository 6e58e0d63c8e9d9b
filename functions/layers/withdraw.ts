import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import type { WithdrawAnswer } from '../../core/api/views.ts';
import { requireUnbound } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import { lastCopy, layerUnknown } from './refusals.ts';

/**
 * Takes a layer out of the catalog; nothing else. What its record held in the store loses its hold, and garbage collection
 * removes it after its grace, which is longer than any migration that relies on it: none is disturbed. Files of hosts are
 * not touched. Throws LAYER_UNKNOWN, LAYER_LAST_COPY if the store has it and no host is known to, CALLER_REFUSED for a host.
 */
export async function withdraw(
  deps: Pick<CloudPorts, 'hosts' | 'layers'>,
  call: Call<'withdrawLayer'>,
): Promise<WithdrawAnswer> {
  const { layers } = deps;
  const { published, force } = call.body;
  const { layer: id } = call.path;
  await requireUnbound(deps, call, 'withdraw layers');
  const store = published ? PUBLIC_NAMESPACE : call.namespace;
  const [record, registered, holders] = await Promise.all([
    layers.find(store, id),
    published ? undefined : layers.findRegistered(store, id),
    layers.holders(call.namespace, id),
  ]);
  if (record === undefined && registered === undefined) throw layerUnknown(id);
  if (record !== undefined && holders.length === 0 && !force) throw lastCopy(id);
  await layers.erase(store, id);
  if (!published) await layers.unregister(store, id);
  return { layer_id: id, stored: record !== undefined, holders };
}
