import { itemsOf } from '../remains.ts';
import type { World } from '../world.ts';

const SOURCE = 'a/h1';

/** The host that owns a VM by the registry: its source as long as nobody has noted it. Throws if there are several. */
export async function ownerOf(world: World, vm: string): Promise<string> {
  const owners = (await itemsOf(world)).filter((item) => item.vm === vm && item.owner !== undefined);
  if (owners.length > 1) throw new Error(`${vm} has ${owners.length} owners: ${JSON.stringify(owners)}`);
  return String(owners[0]?.owner ?? SOURCE);
}
