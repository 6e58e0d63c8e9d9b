import { type Clock, systemClock } from '../../localstack/clock.ts';

interface Appointment {
  readonly atMs: number;
  readonly action: () => void;
  cancel: () => void;
}

/** The machine's own clock, which a test puts forward: appointments of the time between come at once. */
export class MovedClock implements Clock {
  readonly #appointments = new Set<Appointment>();
  #aheadMs = 0;

  nowMs(): number {
    return systemClock.nowMs() + this.#aheadMs;
  }

  schedule(delayMs: number, action: () => void): () => void {
    const appointment: Appointment = { atMs: this.nowMs() + delayMs, action, cancel: () => {} };
    this.#appointments.add(appointment);
    this.#arm(appointment);
    return () => {
      appointment.cancel();
      this.#appointments.delete(appointment);
    };
  }

  forward(ms: number): void {
    this.#aheadMs += ms;
    for (const appointment of this.#appointments) {
      appointment.cancel();
      this.#arm(appointment);
    }
  }

  #arm(appointment: Appointment): void {
    appointment.cancel = systemClock.schedule(appointment.atMs - this.nowMs(), () => {
      this.#appointments.delete(appointment);
      appointment.action();
    });
  }
}
