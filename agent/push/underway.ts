import type { Place } from './earlier.ts';

/** A pack that is being sent. */
interface Coming {
  /** Where in it the chunk of this fingerprint (hex) lies, if it has it. */
  readonly placeOf: (fingerprint: string) => Place | undefined;
  readonly announced: Promise<void>;
}

/** Where a chunk will lie once its pack is stored and announced: then `there` resolves, and rejects if that fails. */
export interface Soon {
  readonly place: Place;
  readonly there: Promise<void>;
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
   * Finds chunks (by fingerprint in hex) that are on their way at this moment, also once they have come. Taken before the index is
   * asked, it has all that the index does not know yet.
   */
  now(): (fingerprint: string) => Soon | undefined {
    const packs = [...this.#packs];
    return (fingerprint) => {
      for (const { placeOf, announced: there } of packs) {
        const place = placeOf(fingerprint);
        if (place !== undefined) return { place, there };
      }
      return undefined;
    };
  }
}
