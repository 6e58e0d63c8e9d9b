import * as z from 'zod';
import { limits } from '../../core/limits.ts';
import { refused } from './failure.ts';

const entry = z.looseObject({
  name: z.string(),
  'meta-type': z.string(),
  'arg-type': z.string().optional(),
  'element-type': z.string().optional(),
  members: z.array(z.looseObject({ name: z.string().optional(), type: z.string().optional() })).optional(),
  tag: z.string().optional(),
  variants: z.array(z.object({ case: z.string(), type: z.string() })).optional(),
});
type Entry = z.infer<typeof entry>;

/** What a QEMU's commands take, as it tells itself: what was asked of a version number would be wrong on patched ones. */
export class QmpSchema {
  readonly #types: ReadonlyMap<string, Entry>;

  private constructor(types: ReadonlyMap<string, Entry>) {
    this.#types = types;
  }

  /** Reads the answer of query-qmp-schema. Errors: QMP_REFUSED. */
  static parse(this: void, answer: unknown): QmpSchema {
    const entries = z.array(entry).max(limits.qmp_schema_entries_max).safeParse(answer);
    if (!entries.success) throw refused('a schema that is none', entries.error);
    return new QmpSchema(new Map(entries.data.map((each) => [each.name, each])));
  }

  hasCommand(command: string): boolean {
    return this.#types.get(command)?.['meta-type'] === 'command';
  }

  /** True if the command takes the argument, in one of its variants at least. */
  hasArgument(command: string, argument: string): boolean {
    const type = this.#argumentsOf(command);
    return [type, ...this.#variantsOf(type)].some((each) => this.#member(each, argument) !== undefined);
  }

  /** True if the command's argument, a list of tagged objects, may hold one of this tag: an action of a transaction. */
  hasVariant(command: string, argument: string, tag: string): boolean {
    const list = this.#types.get(this.#member(this.#argumentsOf(command), argument)?.type ?? '');
    const element = this.#types.get(list?.['element-type'] ?? '');
    return element?.variants?.some((each) => each.case === tag) ?? false;
  }

  #argumentsOf(command: string): Entry | undefined {
    return this.hasCommand(command) ? this.#types.get(this.#types.get(command)?.['arg-type'] ?? '') : undefined;
  }

  #variantsOf(type: Entry | undefined): (Entry | undefined)[] {
    return type?.variants?.map((each) => this.#types.get(each.type)) ?? [];
  }

  #member(type: Entry | undefined, name: string) {
    return type?.members?.find((each) => each.name === name);
  }
}
