import { writeFileSync } from 'node:fs';
import path from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { openApiDocument } from './openapi.ts';

/** Writes docs/openapi.json anew: `npm run openapi`, after a change of the contract. */
const file = path.resolve(import.meta.dirname, '../docs/openapi.json');
writeFileSync(file, `${JSON.stringify(openApiDocument(manifest.version), undefined, 2)}\n`);
