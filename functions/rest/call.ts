import type * as z from 'zod';
import type { Route, RouteName, routes } from '../../core/api/routes.ts';

type RouteOf<N extends RouteName> = (typeof routes)[N];

/** The names in braces of a path. */
type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** What a schema makes of what came; 'binary' is bytes, no schema is nothing. */
type Read<Schema> = Schema extends z.ZodType ? z.output<Schema> : Schema extends 'binary' ? Buffer : undefined;

type Part<N extends RouteName, Key extends 'body' | 'query'> =
  RouteOf<N> extends { readonly [K in Key]: infer Schema } ? Read<Schema> : undefined;

/** Who calls, for which namespace. */
export interface Caller {
  readonly namespace: string;
  /** ARN of the user or role that signed the request. */
  readonly caller: string;
}

/** A call of a route as its function sees it: everything is checked against the contract. */
export interface Call<N extends RouteName> extends Caller {
  readonly path: Readonly<Record<Names<RouteOf<N>['path']>, string>>;
  readonly query: Part<N, 'query'>;
  readonly body: Part<N, 'body'>;
}

export type Answer<N extends RouteName> = RouteOf<N>['answer'] extends z.ZodType
  ? z.input<RouteOf<N>['answer']>
  : Uint8Array;

/** Answers to all routes of one function. */
export type CallsOf<F extends Route['function']> = {
  readonly [N in RouteName as RouteOf<N>['function'] extends F ? N : never]: (call: Call<N>) => Promise<Answer<N>>;
};
