/** What an archive holds: a folder, a program or module, or a link. */
export interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly bytes?: Uint8Array;
}

export const FOLDER = 0o040755;
export const PROGRAM = 0o100755;
export const LINK = 0o120777;

/** An archive as Linux unpacks it at its start. Source: the kernel's "initramfs buffer format", cpio "newc". */
export function cpio(entries: readonly Entry[]): Buffer {
  const all = [...entries, { path: 'TRAILER!!!', mode: 0 }];
  return Buffer.concat(all.flatMap((entry, at) => member(entry, at + 1)));
}

function member({ path, mode, bytes = Buffer.alloc(0) }: Entry, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), Buffer.from(bytes), padding(bytes.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
