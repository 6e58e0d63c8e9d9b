import { isDeepStrictEqual } from 'node:util';
import type { ApiClient } from '../../adapters/api/client.ts';
import type { EnrolRequest } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Brought } from '../images/brought.ts';
import type { ImageFolder } from '../images/image-folder.ts';

export interface EnrolmentOptions {
  readonly ref: HostRef;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly version: string;
  readonly images: ImageFolder;
  readonly catalog: Catalog;
  readonly brought: Pick<Brought, 'has'>;
  readonly freeBytes: () => Promise<number>;
}

/** Tells the cloud which VMs and base layers this host has, at first and whenever that changes. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  #told: { readonly vms: EnrolRequest['vms']; readonly layers: ReadonlySet<string> } | undefined;
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
    const { images, catalog, brought } = this.#options;
    const vms = (await images.vms()).map((vm) => vm.name);
    const { held, lost } = await catalog.bases();
    const layers = held.filter((layer) => !brought.has(layer));
    const news = layers.filter((layer) => !this.#told?.layers.has(layer));
    const isNew = news.length > 0 || lost.length > 0 || !isDeepStrictEqual(this.#told?.vms, vms);
    if (isNew) await this.#enrol(vms, { layers: news, lost }, signal);
    // Until the cloud has heard of them they are remembered, over restarts, too.
    if (lost.length > 0) await catalog.forget();
    this.#told = { vms, layers: new Set(layers) };
  }

  /** Tells of all VMs and of these layers: what was told of others before still holds. */
  async #enrol(
    vms: string[],
    { layers, lost }: { layers: readonly string[]; lost: readonly string[] },
    signal: AbortSignal,
  ): Promise<void> {
    const { api, ref, version, freeBytes } = this.#options;
    const [site, host] = ref.split('/') as [string, string];
    const self = { version, vms, free_bytes: await freeBytes() };
    const most = limits.layers_per_enrolment_max;
    for (let at = 0; at === 0 || at < Math.max(layers.length, lost.length); at += most) {
      const body = { ...self, layers: layers.slice(at, at + most), lost: lost.slice(at, at + most) };
      await api.call('enrolHost', { params: { site, host }, body, signal });
    }
  }
}
