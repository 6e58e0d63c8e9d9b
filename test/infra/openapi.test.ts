import { describe, expect, it } from 'vitest';
import { type Route, routes } from '../../core/api/routes.ts';
import document from '../../docs/openapi.json' with { type: 'json' };
import { openApiDocument } from '../../infra/openapi.ts';
import manifest from '../../package.json' with { type: 'json' };

interface Operation {
  readonly operationId: string;
  readonly requestBody?: unknown;
}

const paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> = document.paths;

describe('docs/openapi.json', () => {
  it('is what the contract says now (`npm run openapi` writes it anew)', () => {
    expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument(manifest.version))));
  });

  it.each(Object.entries<Route>(routes))('has %s, with a body if the call has one', (name, { method, path, body }) => {
    const operation = paths[path]?.[method.toLowerCase()];
    expect(operation?.operationId).toBe(name);
    expect(operation?.requestBody !== undefined).toBe(body !== undefined);
  });

  it('refers to nothing that it does not hold', () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    expect(refs.length).toBeGreaterThan(0);
    for (const [, name] of refs) expect(document.components.schemas).toHaveProperty(name!);
  });
});
