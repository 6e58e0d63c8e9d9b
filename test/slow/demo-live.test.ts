import { describe, expect, it } from 'vitest';
import { assertTools } from '../../bin/demo/live/needs.ts';
import { layermover } from './command.ts';

/** What is missing here; undefined if nothing is. */
function lacking(): string | undefined {
  try {
    assertTools();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const why = process.env.CI === undefined ? lacking() : undefined;
if (why !== undefined) process.stderr.write(`skipped, ${why}: the live demo\n`);

describe.skipIf(why !== undefined)('the live demo', () => {
  it('moves two guests with their memory while they write, and finds nothing wrong', { timeout: 400_000 }, async () => {
    const { code, lines, stderr } = await layermover(['demo', '--live', '--json'], { callMs: 360_000 });
    expect(stderr).not.toContain('error:');
    expect(code).toBe(0);
    const proofs = lines.filter(({ message_type: type }) => type === 'proof');
    expect(proofs).toMatchObject([
      { vm: 'web-1', equal: true },
      { vm: 'web-2', equal: true },
    ]);
    const { vms } = lines.at(-1) as { vms: { live: { rounds: object[]; blackout: { last_bytes: number } } }[] };
    for (const { live } of vms) expect([live.rounds.length > 0, live.blackout.last_bytes > 0]).toEqual([true, true]);
  });
});
