import { expect, it } from 'vitest';
import document from '../../docs/events.json' with { type: 'json' };
import { eventSchemas } from '../../infra/event-schemas.ts';

it('docs/events.json is what the contract says now (`npm run events` writes it anew)', () => {
  expect(document).toEqual(JSON.parse(JSON.stringify(eventSchemas())));
});

it('tells a reader that it must take fields that it does not know', () => {
  const out = document.$defs['layermover.migration.state-changed'];
  expect(out.required).toEqual(expect.arrayContaining(['version', 'namespace', 'migration', 'run', 'state', 'vms']));
  expect(JSON.stringify(document)).not.toContain('"additionalProperties":false');
});
