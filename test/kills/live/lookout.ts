import { systemClock } from '../../../adapters/system/clock.ts';
import type { Qmp } from '../../../agent/qemu/qmp.ts';
import type { Guests, Site } from './guests.ts';

const LOOK_MS = 40;

/**
 * Looks all the while where a VM's guest runs. Once it was seen running at its destination it must never again run at its
 * source: nobody takes back a VM that runs.
 */
export class Lookout {
  readonly problems: string[] = [];
  readonly #stop = new AbortController();
  readonly #looking: Promise<void>[];
  readonly #seenAtB = new Map<string, number>();

  constructor(guests: Guests, vms: readonly string[], note: (line: string) => void) {
    const each = vms.flatMap((vm) => (['a', 'b'] as const).map((site) => ({ vm, site })));
    this.#looking = each.map(({ vm, site }) => this.#look(guests, vm, site, note));
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#looking);
  }

  async #look(guests: Guests, vm: string, site: Site, note: (line: string) => void): Promise<void> {
    let before = '';
    while (!this.#stop.signal.aborted) {
      await guests
        .ask(site, vm, async (qmp) => {
          while (!this.#stop.signal.aborted) {
            const askedMs = performance.now();
            const status = await statusOf(qmp);
            if (status !== before) note(`${vm} at ${site}: ${status}`);
            before = status;
            if (status === 'running') this.#judge(vm, site, askedMs);
            await systemClock.sleep(LOOK_MS);
          }
        })
        .catch(() => undefined);
      if (before !== '') note(`${vm} at ${site}: its QEMU does not answer`);
      before = '';
      await systemClock.sleep(LOOK_MS);
    }
  }

  #judge(vm: string, site: Site, askedMs: number): void {
    const seenMs = this.#seenAtB.get(vm);
    if (site === 'b') this.#seenAtB.set(vm, seenMs ?? performance.now());
    else if (seenMs !== undefined && askedMs > seenMs && this.problems.length === 0)
      this.problems.push(`${vm} ran at its source after it had run at its destination`);
  }
}

async function statusOf(qmp: Qmp): Promise<string> {
  return ((await qmp.execute('query-status')) as { status: string }).status;
}
