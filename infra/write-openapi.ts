import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openApiDocument } from './openapi.ts';

/** Writes docs/openapi.json anew: `npm run openapi`, after a change of the contract. */
const root = path.resolve(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
const file = path.join(root, 'docs/openapi.json');
writeFileSync(file, `${JSON.stringify(openApiDocument(manifest.version), undefined, 2)}\n`);
