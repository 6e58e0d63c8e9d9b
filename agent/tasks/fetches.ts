import { Bell } from '../daemon/bell.ts';
import { Together } from '../flow/together.ts';

/** A migration's fetch, as long as it runs or somebody waits for what it brings. */
interface Fetch {
  /** All that it was to bring has come. */
  isDone: boolean;
  /** Base layers that have come. */
  arrived: number;
  users: number;
  readonly news: Bell;
}

/**
 * The fetches of base layers that run here, by migration. A VM that is followed waits for its own bases by them. It is handed out
 * once the fetch is (functions/hosts/ready.ts): if none is known here, whatever was to come has come.
 */
export class Fetches {
  readonly #known = new Map<string, Fetch>();
  /** Of all migrations, by layer id. */
  readonly bringing = new Together();

  /** Does `work`, which fetches the base layers of a migration. If it fails, those that wait go on: another attempt may follow. */
  async during<T>(migration: string, work: (arrived: () => void) => Promise<T>): Promise<T> {
    const fetch = this.#use(migration);
    fetch.isDone = false;
    try {
      const done = await work(() => tell(fetch));
      fetch.isDone = true;
      return done;
    } finally {
      this.#leave(migration, fetch);
      if (fetch.isDone) tell(fetch);
    }
  }

  /** What `find` finds, once a fetch of the migration has brought it; undefined if it is not there and none will. Errors: the signal's reason. */
  async until<T>(migration: string, find: () => Promise<T | undefined>, signal: AbortSignal): Promise<T | undefined> {
    if (!this.#known.has(migration)) return find();
    const fetch = this.#use(migration);
    try {
      for (;;) {
        const { isDone, arrived } = fetch;
        const found = await find();
        if (found !== undefined || isDone) return found;
        while (fetch.arrived === arrived) await fetch.news.wait(signal);
      }
    } finally {
      this.#leave(migration, fetch);
    }
  }

  #use(migration: string): Fetch {
    const fetch = this.#known.get(migration) ?? { isDone: false, arrived: 0, users: 0, news: new Bell() };
    fetch.users += 1;
    this.#known.set(migration, fetch);
    return fetch;
  }

  #leave(migration: string, fetch: Fetch): void {
    fetch.users -= 1;
    if (fetch.users === 0) this.#known.delete(migration);
  }
}

function tell(fetch: Fetch): void {
  fetch.arrived += 1;
  fetch.news.ring();
}
