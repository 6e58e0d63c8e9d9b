import { isDeepStrictEqual } from 'node:util';
import type { ApiClient } from '../../adapters/api/client.ts';
import type { EnrolRequest } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { ImageFolder } from '../images/image-folder.ts';

const LAYERS_MAX = 4096;

export interface EnrolmentOptions {
  readonly ref: HostRef;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly version: string;
  readonly images: ImageFolder;
  readonly catalog: Catalog;
  readonly freeBytes: () => Promise<number>;
}

/** Tells the cloud which VMs and base layers this host has, at first and whenever that changes. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  #told: Pick<EnrolRequest, 'vms' | 'layers'> | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** Looks if it is time to, and enrols if there is news. Errors: HOST_TAKEN and those of findImages. */
  async renew(signal: AbortSignal): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    // In no time at all, or less if the clock was set back: then it is time, too.
    const agoMs = nowMs - this.#lookedMs;
    if (agoMs >= 0 && agoMs < limits.rescan_ms) return;
    // Set before the look: what expires it meanwhile may be news that the look has missed.
    this.#lookedMs = nowMs;
    try {
      await this.#tell(signal);
    } catch (error) {
      this.expire();
      throw error;
    }
  }

  /** There may be news: look before the next poll. */
  expire(): void {
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  /** The cloud does not know this host (any more). */
  forget(): void {
    this.#told = undefined;
    this.expire();
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { api, ref, version, images, catalog, freeBytes } = this.#options;
    const vms = (await images.vms()).map((vm) => vm.name);
    const layers = (await catalog.bases()).slice(0, LAYERS_MAX);
    if (isDeepStrictEqual(this.#told, { vms, layers })) return;
    const [site, host] = ref.split('/') as [string, string];
    const body = { version, vms, layers, free_bytes: await freeBytes() };
    await api.call('enrolHost', { params: { site, host }, body, signal });
    this.#told = { vms, layers };
  }
}
