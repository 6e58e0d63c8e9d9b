import { LayerMoverError } from '../../core/errors.ts';
import { guestStatus } from '../qemu/guest.ts';
import type { Qmp } from '../qemu/qmp.ts';

/** What `query-status` says of a QEMU whose guest is still to come. */
const NOT_YET = ['inmigrate', 'prelaunch', 'preconfig', 'restore-vm'];

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

  /** Of one that is to come: that it has come does not let it run. Errors: those of Qmp.execute. */
  async hold(signal: AbortSignal): Promise<void> {
    await this.qmp.execute('stop', {}, { signal });
  }

  /** Lets it run that was held. One that runs does so on. Errors: those of Qmp.execute. */
  async goOn(): Promise<void> {
    await this.qmp.execute('cont');
  }

  /** Waits until the guest is here with its memory, whether it runs or not. Errors: GUEST_ENDED, QMP_LOST, the signal's reason. */
  async untilHere(signal: AbortSignal): Promise<void> {
    const news = this.qmp.events('RESUME', 'MIGRATION');
    try {
      while (!(await this.isHere(signal))) await Promise.race([news.next(signal), this.lost()]);
    } finally {
      news.close();
    }
  }

  /** Errors: those of Qmp.execute. */
  async isHere(signal: AbortSignal): Promise<boolean> {
    return !NOT_YET.includes((await guestStatus(this.qmp, signal)).status);
  }

  /** Its monitor is free for others; the QEMU goes on. */
  leave(): void {
    this.qmp.close();
  }
}
