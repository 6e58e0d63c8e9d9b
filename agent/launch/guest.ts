import { LayerMoverError } from '../../core/errors.ts';
import type { Qmp } from '../qemu/qmp.ts';

/** What `query-status` says of a guest that is here, running or paused by somebody; before that it is inmigrate and the like. */
const HERE = ['running', 'paused'];

/** A VM's QEMU that the agent started, and its monitor. */
export class Guest {
  readonly qmp: Qmp;
  readonly #vm: string;
  readonly #ended: Promise<void>;
  readonly #lastWords: () => Promise<string>;

  constructor(vm: string, qmp: Qmp, ended: Promise<void>, lastWords: () => Promise<string>) {
    this.#vm = vm;
    this.qmp = qmp;
    this.#ended = ended;
    this.#lastWords = lastWords;
  }

  /** Rejects with GUEST_ENDED when its QEMU ends; never resolves. */
  async lost(): Promise<never> {
    await this.#ended;
    const said = await this.#lastWords();
    throw new LayerMoverError('GUEST_ENDED', `the QEMU of ${this.#vm} has ended: ${said || 'it said nothing'}`, {
      hint: 'what it said tells why: mostly its command differs from the source’s',
      data: { vm: this.#vm, said },
    });
  }

  /** Waits until the guest is here with its memory, running, or paused as it was. Errors: GUEST_ENDED, QMP_LOST, the signal's reason. */
  async untilHere(signal: AbortSignal): Promise<void> {
    const news = this.qmp.events('RESUME', 'MIGRATION');
    try {
      while (!(await this.#isHere(signal))) await Promise.race([news.next(signal), this.lost()]);
    } finally {
      news.close();
    }
  }

  /** Its monitor is free for others; the QEMU goes on. */
  leave(): void {
    this.qmp.close();
  }

  async #isHere(signal: AbortSignal): Promise<boolean> {
    const { status } = (await this.qmp.execute('query-status', {}, { signal })) as { status?: unknown };
    return HERE.includes(String(status));
  }
}
