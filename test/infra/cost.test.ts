import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { costPage, idleHost, idleStack, moved } from '../../infra/cost.ts';

const sum = (costs: readonly { readonly dollars: number }[]) => costs.reduce((all, { dollars }) => all + dollars, 0);

it('docs/COST.md is what prices and limits say now (`npm run cost` writes it anew)', () => {
  expect(readFileSync(path.resolve(import.meta.dirname, '../../docs/COST.md'), 'utf8')).toBe(costPage());
});

it('an idle stack costs less than $8 a month, an idle host less than $1', () => {
  expect(sum(idleStack())).toBeLessThan(8);
  expect(sum(idleHost())).toBeLessThan(1);
});

it('what is moved costs in proportion, and traffic most of all', () => {
  expect(sum(moved(2e12, 0.5)) / sum(moved(1e12, 0.5))).toBeCloseTo(2, 2);
  const [traffic, ...others] = moved(1e12, 0.5);
  expect(traffic!.dollars).toBeGreaterThan(sum(others));
});
