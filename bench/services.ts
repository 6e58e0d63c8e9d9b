import { type Service, startService } from '../bin/demo/process.ts';

const running = new Set<Service>();

/** Starts a verb as a process of its own; whoever interrupts the bench ends it, too. */
export async function start(words: readonly string[], logFile: string): Promise<Service> {
  const service = await startService(words, logFile);
  const stop = async () => {
    running.delete(own);
    await service.stop();
  };
  const own: Service = { ...service, stop };
  running.add(own);
  return own;
}

/** Ends the services that run, then calls `after`, when the bench is interrupted. */
export function onInterrupt(after: () => void | Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      const stops = [...running].map((service) => service.stop());
      void Promise.allSettled(stops)
        .then(after)
        .finally(() => process.exit(130));
    });
  }
}
