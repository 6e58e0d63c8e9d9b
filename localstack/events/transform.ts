/** Makes a target's input of an event. */
export interface Transformer {
  /** Names to paths in the event: `$.detail.name`. */
  readonly paths: Readonly<Record<string, string>>;
  /** JSON in which `<name>` stands for what lies at that path. */
  readonly template: string;
}

/** Source: "Amazon EventBridge input transformation", EventBridge's guide. A path that leads nowhere gives an empty text. */
export function transform({ paths, template }: Transformer, event: object): string {
  return template.replace(/("?)<([\w-]+)>\1/g, (_, quote: string, name: string) => {
    const value = valueAt(event, paths[name] ?? '');
    if (quote === '"' || typeof value === 'string' || value === undefined) return JSON.stringify(String(value ?? ''));
    return JSON.stringify(value);
  });
}

function valueAt(event: object, path: string): unknown {
  const names = path.split('.').slice(1);
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], event);
}
