import { isDeepStrictEqual } from 'node:util';
import type { ApiClient } from '../../adapters/api/client.ts';
import type { EnrolRequest } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import { type KnownRates, RATE_NAMES } from '../../core/planner/rates.ts';
import type { Clock } from '../../core/ports.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Brought } from '../images/brought.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import type { Measures } from '../measure/measures.ts';

export interface EnrolmentOptions {
  readonly ref: HostRef;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly version: string;
  readonly images: ImageFolder;
  readonly catalog: Catalog;
  readonly brought: Pick<Brought, 'has'>;
  readonly measures: Pick<Measures, 'rates'>;
  readonly freeBytes: () => Promise<number>;
}

/** Tells the cloud which VMs and base layers this host has, at first and whenever that changes. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  #told:
    | { readonly vms: EnrolRequest['vms']; readonly layers: ReadonlySet<string>; readonly rates: KnownRates }
    | undefined;
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
    const { images, catalog, brought, measures } = this.#options;
    const vms = (await images.vms()).map((vm) => vm.name);
    const { held, lost } = await catalog.bases();
    const layers = held.filter((layer) => !brought.has(layer));
    const news = layers.filter((layer) => !this.#told?.layers.has(layer));
    const rates = measures.rates();
    const isAsTold =
      this.#told !== undefined && isDeepStrictEqual(this.#told.vms, vms) && !areOther(this.#told.rates, rates);
    const isNew = news.length > 0 || lost.length > 0 || !isAsTold;
    if (isNew) await this.#enrol({ vms, rates }, { layers: news, lost }, signal);
    // Until the cloud has heard of them they are remembered, over restarts, too.
    if (lost.length > 0) await catalog.forget();
    this.#told = { vms, layers: new Set(layers), rates: isNew ? rates : this.#told!.rates };
  }

  /** Tells of all VMs and of these layers: what was told of others before still holds. */
  async #enrol(
    about: Pick<EnrolRequest, 'vms' | 'rates'>,
    { layers, lost }: { layers: readonly string[]; lost: readonly string[] },
    signal: AbortSignal,
  ): Promise<void> {
    const { api, ref, version, freeBytes } = this.#options;
    const [site, host] = ref.split('/') as [string, string];
    const self = { version, ...about, free_bytes: await freeBytes() };
    const most = limits.layers_per_enrolment_max;
    for (let at = 0; at === 0 || at < Math.max(layers.length, lost.length); at += most) {
      const body = { ...self, layers: layers.slice(at, at + most), lost: lost.slice(at, at + most) };
      await api.call('enrolHost', { params: { site, host }, body, signal });
    }
  }
}

/** Rates are told again when a forecast would be another by them. */
const TOLD_AGAIN_AT = 1.1;

function areOther(told: KnownRates, rates: KnownRates): boolean {
  return RATE_NAMES.some((name) => {
    const [before, now] = [told[name]?.value, rates[name]?.value];
    if (before === undefined || now === undefined) return before !== now;
    return Math.max(before, now) > TOLD_AGAIN_AT * Math.min(before, now);
  });
}
