import { vi } from 'vitest';
import { main } from '../../bin/main.ts';

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON lines of stdout; a line that is none throws. */
  lines(): Record<string, unknown>[];
}

/** Runs one call of the command in this process. */
export async function call(...words: string[]): Promise<Said> {
  const [out, err]: string[][] = [[], []];
  const into = (all: string[]) => (chunk: unknown) => all.push(String(chunk)) > 0;
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(into(out!)),
    vi.spyOn(process.stderr, 'write').mockImplementation(into(err!)),
  ];
  const before = process.exitCode;
  process.exitCode = undefined;
  try {
    await main(['node', 'layermover', ...words]);
    const stdout = out!.join('');
    const lines = () =>
      stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { code: Number(process.exitCode ?? 0), stdout, stderr: err!.join(''), lines };
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeAllListeners(signal);
  }
}
