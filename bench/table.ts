import Table from 'cli-table3';
import type { Finding } from './finding.ts';

/** The findings for people. */
export function table(findings: readonly Finding[]): string {
  const rows = new Table({ head: ['', 'bench', 'what', 'goal', 'found'], style: { head: [], border: [] } });
  for (const { isMet, bench, what, goal, found } of findings)
    rows.push([isMet ? 'ok' : 'MISSED', bench, what, goal, found]);
  return rows.toString();
}
