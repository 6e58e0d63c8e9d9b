/** A DynamoDB expression: attributes are written `#name`, values `:name`. */
export interface Expression {
  readonly text: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

/** The names and values that expressions use, as a command takes them. Every name goes through a placeholder: many of ours are reserved words. */
export function placeholders(...expressions: readonly Expression[]) {
  const names = expressions.flatMap(({ text }) => text.match(/#\w+/g) ?? []);
  const values = expressions.flatMap((each) => Object.entries(each.values ?? {}));
  return {
    ...(names.length > 0 && {
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [name, name.slice(1)])),
    }),
    ...(values.length > 0 && {
      ExpressionAttributeValues: Object.fromEntries(values.map(([name, value]) => [`:${name}`, value])),
    }),
  };
}

/** Sets the fields of `change`; those that are undefined are removed. */
export function assignment(change: Readonly<Record<string, unknown>>): Expression {
  const set = Object.entries(change).filter(([, value]) => value !== undefined);
  const removed = Object.keys(change).filter((name) => change[name] === undefined);
  const clauses = [
    ...(set.length > 0 ? [`SET ${set.map(([name]) => `#${name} = :set_${name}`).join(', ')}`] : []),
    ...(removed.length > 0 ? [`REMOVE ${removed.map((name) => `#${name}`).join(', ')}`] : []),
  ];
  return {
    text: clauses.join(' '),
    values: Object.fromEntries(set.map(([name, value]) => [`set_${name}`, value])),
  };
}
