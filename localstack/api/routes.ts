import type { MethodModel } from '../assembly/model.ts';

/** A method that answers a request, and what its path parameters stand for (percent-encoded as they came). */
export interface Match {
  readonly method: MethodModel;
  readonly parameters: Readonly<Record<string, string>>;
}

interface Node {
  readonly literals: Map<string, Node>;
  parameter?: { readonly name: string; readonly node: Node };
  /** `{name+}`: all segments from here on. */
  greedy?: { readonly name: string; readonly node: Node };
  readonly methods: Map<string, MethodModel>;
}

const newNode = (): Node => ({ literals: new Map(), methods: new Map() });

/** Finds the method for an HTTP method and a path below the stage; a literal wins over `{name}`, that over `{name+}`. */
export function createRouter(methods: readonly MethodModel[]): (httpMethod: string, path: string) => Match | undefined {
  const root = newNode();
  for (const method of methods) {
    const node = segmentsOf(method.resourcePath).reduce(childFor, root);
    node.methods.set(method.httpMethod, method);
  }
  return (httpMethod, path) => {
    const found = find(root, segmentsOf(path), 0);
    const method = found?.node.methods.get(httpMethod) ?? found?.node.methods.get('ANY');
    return method && found && { method, parameters: found.parameters };
  };
}

/** Segments between slashes; one trailing slash does not count. */
function segmentsOf(path: string): string[] {
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '');
  return trimmed === '' ? [] : trimmed.split('/');
}

function childFor(node: Node, part: string): Node {
  const name = /^\{(.+?)(\+?)\}$/.exec(part);
  if (name === null) {
    const child = node.literals.get(part) ?? newNode();
    node.literals.set(part, child);
    return child;
  }
  const kind = name[2] === '+' ? 'greedy' : 'parameter';
  node[kind] ??= { name: name[1]!, node: newNode() };
  return node[kind].node;
}

interface Found {
  readonly node: Node;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Depth first in order of precedence; the tree is a template's, so its depth is small. */
function find(node: Node, segments: readonly string[], at: number): Found | undefined {
  const segment = segments[at];
  if (segment === undefined) return node.methods.size > 0 ? { node, parameters: {} } : undefined;
  const literal = node.literals.get(segment);
  const byLiteral = literal && find(literal, segments, at + 1);
  if (byLiteral) return byLiteral;
  if (segment === '') return undefined;
  const byParameter = node.parameter && find(node.parameter.node, segments, at + 1);
  if (node.parameter && byParameter) return bind(byParameter, node.parameter.name, segment);
  if (node.greedy)
    return bind({ node: node.greedy.node, parameters: {} }, node.greedy.name, segments.slice(at).join('/'));
  return undefined;
}

const bind = (found: Found, name: string, value: string): Found => ({
  node: found.node,
  parameters: { ...found.parameters, [name]: value },
});
