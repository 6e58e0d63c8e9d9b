import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { costPage } from './cost.ts';

/** Writes docs/COST.md anew: `npm run cost`, after a change of prices or limits. */
writeFileSync(path.resolve(import.meta.dirname, '../docs/COST.md'), costPage());
