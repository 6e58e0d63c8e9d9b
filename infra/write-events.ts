import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventSchemas } from './event-schemas.ts';

/** Writes docs/events.json anew: `npm run events`, after a change of the contract. */
const file = path.resolve(import.meta.dirname, '../docs/events.json');
writeFileSync(file, `${JSON.stringify(eventSchemas(), undefined, 2)}\n`);
