/** Resolves at the first SIGINT or SIGTERM, which asks to drain; the second one stops at once. */
export function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const on = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on('SIGINT', on);
    process.on('SIGTERM', on);
  });
}
