import type { Place } from './earlier.ts';

/** A pack that is being sent. */
interface Coming {
  /** Where each of its chunks lies, by fingerprint in hex. */
  readonly content: () => ReadonlyMap<string, Place>;
  readonly announced: Promise<void>;
}

/**
 * The packs that are being sent to one store: the index tells what they hold once they are there. A push that begins meanwhile finds it
 * here, and waits for a pack instead of sending the same again.
 */
export class Underway {
  readonly #packs = new Set<Coming>();

  /** Tells of a pack until it is announced, or that has failed. */
  add(pack: Coming): void {
    const forget = () => void this.#packs.delete(pack);
    this.#packs.add(pack);
    pack.announced.then(forget, forget);
  }

  /**
   * Where chunks will lie that are on their way at this moment, by fingerprint in hex: each once its pack is stored and announced; it
   * rejects if that fails. Taken before the index is asked, it has all that the index does not know yet.
   */
  now(): ReadonlyMap<string, Promise<Place>> {
    const places = new Map<string, Promise<Place>>();
    for (const { content, announced } of this.#packs) {
      for (const [fingerprint, place] of content()) {
        const there = announced.then(() => place);
        // Whoever needs none of it hears of no failure.
        there.catch(() => undefined);
        places.set(fingerprint, there);
      }
    }
    return places;
  }
}
