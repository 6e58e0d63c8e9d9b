import { open } from 'node:fs/promises';

interface Slot {
  current: Promise<void>;
  next: Promise<void> | undefined;
}

/** Makes changes of folders durable; callers that come while an fsync of the same folder runs share the next one. */
export class FolderSync {
  readonly #slots = new Map<string, Slot>();

  /** Resolves once an fsync of `folder` that began after this call is done. */
  sync(folder: string): Promise<void> {
    const slot = this.#slots.get(folder);
    if (slot === undefined) return this.#start(folder);
    slot.next ??= slot.current.then(
      () => this.#start(folder),
      () => this.#start(folder),
    );
    return slot.next;
  }

  #start(folder: string): Promise<void> {
    const slot: Slot = { current: syncFolder(folder), next: undefined };
    this.#slots.set(folder, slot);
    const forget = () => {
      if (slot.next === undefined) this.#slots.delete(folder);
    };
    slot.current.then(forget, forget);
    return slot.current;
  }
}

/** A folder that is gone has nothing left to lose: who removed it syncs its parent. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (handle === undefined) return;
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
