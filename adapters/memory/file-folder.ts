import type { FileContent } from './file-content.ts';

export type FileNode = FileFolder | FileContent;

/** What one change does to a folder's names: all of it comes to the disk, or nothing. */
interface Change {
  readonly set?: readonly [name: string, node: FileNode];
  readonly remove?: string;
}

/** A folder: its names as a running system sees them, and those that are on the disk. */
export class FileFolder {
  readonly kind = 'folder';
  readonly ino: bigint;
  #names = new Map<string, FileNode>();
  #durable = new Map<string, FileNode>();
  /** Since the last sync, in order. */
  #changes: Change[] = [];

  constructor(ino: bigint) {
    this.ino = ino;
  }

  get(name: string): FileNode | undefined {
    return this.#names.get(name);
  }

  get entries(): readonly [name: string, node: FileNode][] {
    return [...this.#names];
  }

  set(name: string, node: FileNode): void {
    this.#change({ set: [name, node] });
  }

  remove(name: string): void {
    if (this.#names.has(name)) this.#change({ remove: name });
  }

  rename(from: string, to: string, node: FileNode): void {
    this.#change({ remove: from, set: [to, node] });
  }

  sync(): void {
    this.#durable = new Map(this.#names);
    this.#changes = [];
  }

  /** Each change since the last sync has come to the disk, or not. Then the same happens below. */
  crash(chance: () => number): void {
    const changes = this.#changes;
    this.#names = new Map(this.#durable);
    this.#changes = [];
    for (const change of changes) if (chance() < 0.5) apply(this.#names, change);
    this.sync();
    for (const node of this.#names.values()) node.crash(chance);
  }

  /** A folder with the names, and below them the bytes, that are on the disk for sure. */
  asOnDisk(): FileFolder {
    const copy = new FileFolder(this.ino);
    for (const [name, node] of this.#durable) copy.set(name, node.asOnDisk());
    copy.sync();
    return copy;
  }

  #change(change: Change): void {
    apply(this.#names, change);
    this.#changes.push(change);
  }
}

function apply(names: Map<string, FileNode>, { set, remove }: Change): void {
  if (remove !== undefined) names.delete(remove);
  if (set !== undefined) names.set(...set);
}
