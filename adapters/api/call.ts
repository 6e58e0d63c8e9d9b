import type * as z from 'zod';
import type { RouteName, routes } from '../../core/api/routes.ts';

type RouteOf<N extends RouteName> = (typeof routes)[N];

/** The names in braces of a path. */
type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

type Params<N extends RouteName> = [Names<RouteOf<N>['path']>] extends [never]
  ? { readonly params?: never }
  : { readonly params: Readonly<Record<Names<RouteOf<N>['path']>, string>> };

type Given<Schema> = Schema extends z.ZodType ? z.input<Schema> : Uint8Array;

type Body<N extends RouteName> =
  RouteOf<N> extends { readonly body: infer Schema } ? { readonly body: Given<Schema> } : { readonly body?: never };

/** A query's values travel as text; numbers may be given as numbers. */
type Values<Given> = { readonly [Key in keyof Given]: string | number };

type Query<N extends RouteName> =
  RouteOf<N> extends { readonly query: infer Schema extends z.ZodType }
    ? object extends z.input<Schema>
      ? { readonly query?: Values<z.input<Schema>> }
      : { readonly query: Values<z.input<Schema>> }
    : { readonly query?: never };

/** What a call of a route needs: what its path, query and body ask for. */
export type CallOf<N extends RouteName> = Params<N> &
  Query<N> &
  Body<N> & { readonly signal?: AbortSignal | undefined };

/** What a route answers. */
export type AnswerOf<N extends RouteName> = RouteOf<N>['answer'] extends z.ZodType
  ? z.output<RouteOf<N>['answer']>
  : Uint8Array;
