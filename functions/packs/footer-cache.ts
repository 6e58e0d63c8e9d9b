import type { PackContents } from './pack-contents.ts';

/** Contents of packs by key, kept across invocations up to a number of bytes; what was used last stays longest. */
export class FooterCache {
  readonly #bytesMax: number;
  readonly #contents = new Map<string, PackContents>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): PackContents | undefined {
    const known = this.#contents.get(key);
    if (known === undefined) return undefined;
    this.#contents.delete(key);
    this.#contents.set(key, known);
    return known;
  }

  set(key: string, contents: PackContents): void {
    if (this.#contents.has(key)) return;
    this.#contents.set(key, contents);
    this.#bytes += contents.bytes;
    for (const [oldest, { bytes }] of this.#contents) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#contents.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}
