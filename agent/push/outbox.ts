import { limits } from '../../core/limits.ts';
import { Room } from '../flow/room.ts';
import { Slots } from '../flow/slots.ts';
import { Underway } from './underway.ts';

/** What the pushes of an agent have on their way, together: one may begin before all packs of the one before have arrived. */
export class Outbox {
  /** Of packs that are filled, wait or are sent, in bytes. */
  readonly memory = new Room(limits.pack_memory_bytes);
  readonly uploads = Slots.count(limits.uploads_in_flight);
  readonly #stores = new Map<string, Underway>();

  /** `store`: the namespace whose index is told of its packs. */
  underway(store: string): Underway {
    const underway = this.#stores.get(store) ?? new Underway();
    this.#stores.set(store, underway);
    return underway;
  }
}
