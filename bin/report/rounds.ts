import type { MigrationView } from '../../core/api/views.ts';
import { liveVms, pauseWords, ROUND_HEADS, roundCells, wishWords } from '../output/live.ts';
import { type Html, html } from './html.ts';

/** The rounds and pauses of running VMs; nothing for a cold migration. */
export function roundsSection(migration: MigrationView): Html | undefined {
  const vms = liveVms(migration);
  if (vms.length === 0) return undefined;
  const heads = ROUND_HEADS.map((head) => html`<th class="n">${head}</th>`);
  const rows = vms.flatMap(({ name, live }) =>
    roundCells(live).map(
      (cells) => html`<tr><td><bdi>${name}</bdi></td>${cells.map((cell) => html`<td class="n">${cell}</td>`)}</tr>`,
    ),
  );
  const pauses = vms.flatMap(({ name, live }) => {
    const words = pauseWords(live);
    return words === undefined ? [] : [html`<p><bdi>${name}</bdi>: ${words}</p>`];
  });
  return html`<h2>Rounds</h2><p class="soft">${wishWords(migration).join('; ')}.</p>${pauses}<div class="wide"><table>
<thead><tr><th>VM</th>${heads}</tr></thead>
<tbody>${rows}</tbody></table></div>
<p class="soft">Each round copies what was written since the one before; what it leaves dirty is what a pause would have to copy.</p>`;
}
