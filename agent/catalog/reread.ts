import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { reportable } from '../daemon/reportable.ts';
import type { Catalog, KnownLayer } from './catalog.ts';
import { Reading, type ReadingOptions } from './reading.ts';

export interface RereadOptions extends ReadingOptions {
  readonly catalog: Catalog;
  /** Told when a layer was found to be another one than it was taken for. */
  readonly onChanged: () => void;
}

/**
 * Reads base layers again while their host has nothing to do, slowly, each once in `limits.reread_every_ms`: a layer that holds
 * something else although its file looks as it did is not relied on any longer. A whole read counts as one: receipts name it.
 * After a restart a layer is begun anew.
 */
export class Reread {
  readonly #options: RereadOptions;
  #reading: Reading | undefined;

  constructor(options: RereadOptions) {
    this.#options = options;
  }

  /** Resolves once `signal` has aborted and nothing is being read. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, isIdle } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(limits.reread_look_ms, signal).catch(() => undefined);
      while (isIdle() && !signal.aborted && (await this.#tryStep(signal)));
    }
    await this.#reading?.discard();
  }

  /** The state folder may be full, or fail: that tells nothing of a layer, which is begun anew another time. */
  async #tryStep(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.step(signal);
    } catch (error) {
      const { log } = this.#options;
      log.warn(
        { layer: this.#reading?.layer.layerId, error: reportable(error) },
        'base layers can’t be read again now',
      );
      await this.#reading?.discard();
      this.#reading = undefined;
      return false;
    }
  }

  /**
   * Reads one segment of the layer that was not read for longest. Answers false if none is due, or a task has begun. Errors: what
   * the system refuses of the agent's own files.
   */
  async step(signal: AbortSignal): Promise<boolean> {
    const reading = await this.#current();
    if (reading === undefined) return false;
    try {
      if (!reading.isWhole) return await reading.next(signal);
      await reading.end();
      await this.#end(reading, { scannedMs: reading.sinceMs });
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof LayerMoverError)) throw error;
      await this.#lose(reading, error);
    }
    return true;
  }

  /** What is being read, if its file is still as it was; else what is due. */
  async #current(): Promise<Reading | undefined> {
    const { catalog, clock } = this.#options;
    const held = await catalog.files();
    if (held.some((layer) => layer === this.#reading?.layer)) return this.#reading;
    await this.#reading?.discard();
    const [oldest] = held.toSorted((a, b) => (a.scannedMs ?? 0) - (b.scannedMs ?? 0));
    const isDue = oldest !== undefined && clock.nowMs() - (oldest.scannedMs ?? 0) >= limits.reread_every_ms;
    this.#reading = isDue ? new Reading(this.#options, oldest) : undefined;
    return this.#reading;
  }

  async #end(reading: Reading, found: Pick<KnownLayer, 'scannedMs' | 'changed'>): Promise<void> {
    await reading.discard();
    await this.#options.catalog.reread(reading.layer, found);
    this.#reading = undefined;
  }

  /** It is another layer, or can't be read: nobody is to rely on it. */
  async #lose(reading: Reading, error: unknown): Promise<void> {
    const { log, onChanged } = this.#options;
    const { path, layerId: layer } = reading.layer;
    const fields = { path, layer, error: reportable(error) };
    log.error(fields, 'a base layer is not what it was, although its file looks so: it is not relied on any longer');
    await this.#end(reading, { changed: true });
    onChanged();
  }
}
