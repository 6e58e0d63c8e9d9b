import { hasCode } from '../../core/errors.ts';
import type { PackScope } from '../../core/format/placement.ts';
import { abortable } from '../flow/abortable.ts';
import type { PullSource } from './port.ts';

/** What the readers of damaged objects throw; fetching again may help, as it does not where an object is absent. */
const DAMAGED = [
  'MANIFEST_CORRUPT',
  'PLACEMENT_CORRUPT',
  'FRAME_CORRUPT',
  'CHUNK_CORRUPT',
  'FORMAT_REFUSED',
  'FORMAT_VERSION',
] as const;

/** A source whose calls nobody waits for once the pull has stopped, and whose bytes are counted. */
export class WatchedSource {
  readonly #source: PullSource;
  readonly #signal: AbortSignal;
  readonly #count: (bytes: number) => void;

  constructor(source: PullSource, signal: AbortSignal, count: (bytes: number) => void = () => undefined) {
    this.#source = source;
    this.#signal = signal;
    this.#count = count;
  }

  root<T>(layerId: string, open: (bytes: Uint8Array) => T): Promise<T> {
    return this.#checked(() => this.#source.root(layerId), open);
  }

  segment<T>(id: string, open: (bytes: Uint8Array) => T): Promise<T> {
    return this.#checked(() => this.#source.segment(id), open);
  }

  /** Asks for a placement that may not be there; whoever opens it is given what came. Never rejects unheard. */
  askPlacement(segmentId: string): Promise<Uint8Array> {
    const asked = this.#fetch(() => this.#source.placement(segmentId));
    asked.catch(() => undefined);
    return asked;
  }

  placement<T>(segmentId: string, open: (bytes: Uint8Array) => T, asked?: Promise<Uint8Array>): Promise<T> {
    return this.#checked(() => this.#source.placement(segmentId), open, asked);
  }

  /** As it came; whoever opens it asks again if it is damaged. A pack that ends before the range does gives nothing. */
  async range(scope: PackScope, pack: string, offset: number, length: number): Promise<Uint8Array> {
    try {
      return await this.#fetch(() => this.#source.range(scope, pack, offset, length));
    } catch (error) {
      if (hasCode(error, 'OBJECT_RANGE')) return new Uint8Array();
      throw error;
    }
  }

  /** An object that is damaged on the way is fetched once more. */
  async #checked<T>(
    get: () => Promise<Uint8Array>,
    open: (bytes: Uint8Array) => T,
    first?: Promise<Uint8Array>,
  ): Promise<T> {
    const bytes = await (first ?? this.#fetch(get));
    try {
      return open(bytes);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return open(await this.#fetch(get));
    }
  }

  async #fetch(get: () => Promise<Uint8Array>): Promise<Uint8Array> {
    this.#signal.throwIfAborted();
    const bytes = await abortable(get(), this.#signal);
    this.#count(bytes.length);
    return bytes;
  }
}

export function isDamage(error: unknown): boolean {
  return hasCode(error, ...DAMAGED);
}
