import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** Where QEMUs of this host take the memory of guests that come over. */
export type MigrationAddress =
  | { readonly kind: 'unix' }
  | { readonly kind: 'tcp'; readonly host: string; readonly first: number; readonly last: number };

const FORM = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5})(?:-(\d{1,5}))?)?$/;

/**
 * Reads `HOST`, `HOST:PORT` or `HOST:FIRST-LAST` (an IPv6 address in brackets), by which sources reach this host, or `unix`
 * for sources on the same machine. Without ports they are limits.migration_port_first … migration_port_last.
 * Errors: MIGRATION_ADDRESS_INVALID.
 */
export function parseAddress(text: string): MigrationAddress {
  if (text === 'unix') return { kind: 'unix' };
  const [, host, from, to] = FORM.exec(text) ?? [];
  const first = Number(from ?? limits.migration_port_first);
  const last = Number(to ?? from ?? limits.migration_port_last);
  if (host !== undefined && first >= 1 && first <= last && last <= 65_535) return { kind: 'tcp', host, first, last };
  throw new LayerMoverError('MIGRATION_ADDRESS_INVALID', `${text} is no address for guests’ memory`, {
    hint: 'for instance 10.0.0.7, 10.0.0.7:49152-49215, [fd00::7]:49152, or unix',
    data: { text },
  });
}

/** What QEMU may be told to listen on, one after the other; `socket` is the path for `unix`. */
export function* urisOf(address: MigrationAddress, socket: string): Generator<string> {
  if (address.kind === 'unix') yield `unix:${socket}`;
  else for (let port = address.first; port <= address.last; port++) yield `tcp:${address.host}:${port}`;
}
