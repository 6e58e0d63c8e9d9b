import type { MemoryFiles } from '../../../adapters/memory/files.ts';
import type { RouteName } from '../../../core/api/routes.ts';
import { limits } from '../../../core/limits.ts';
import { IMAGES } from '../world/host.ts';
import { isSameShown, readShown, type Shown } from '../world/images.ts';
import type { Violations } from './violations.ts';

/** Calls that change a file or its name. */
const CHANGES = new Set(['write', 'truncate', 'rename', 'remove']);

/** What a host may do to files, and say: its own images never change, its queues are bounded. */
export class HostWatch {
  readonly #violations: Violations;
  readonly #ref: string;
  /** Paths of images that were there at first. */
  readonly own = new Set<string>();
  /** Names that files got since the last look. */
  readonly named: string[] = [];
  isOpen = false;

  constructor(ref: string, violations: Violations) {
    this.#ref = ref;
    this.#violations = violations;
  }

  onFile = (call: string, path: string): void => {
    if (!this.isOpen) return;
    if (CHANGES.has(call) && this.own.has(path)) this.#violations.note('sources', `${call} of ${this.#ref} ${path}`);
    if (call === 'rename' && /\.(qcow2|img)$/.test(path)) this.named.push(path);
  };

  onCall = (name: RouteName, body: unknown): void => {
    if (name !== 'poll') return;
    const { running, following, awaiting } = body as { running: object[]; following: object[]; awaiting: object[] };
    const waits = following.length + awaiting.length;
    if (running.length > limits.tasks_per_host_max || waits > limits.tasks_per_host_max) {
      this.#violations.note('bounds', `${this.#ref} runs ${running.length} tasks and waits for ${waits}`);
    }
  };

  /** True if the image, if it is there, shows what some VM's chain shows up to one of its layers. */
  async isComplete(files: MemoryFiles, path: string, known: readonly Shown[]): Promise<boolean> {
    if (!files.exists(path)) return true;
    const shown = await readShown(files, IMAGES, path).catch(() => undefined);
    return shown !== undefined && known.some((each) => isSameShown(each, shown));
  }
}

/** Whether any image in the host's folder shows this: what a committed VM needs, at first under any name. */
export async function holds(files: MemoryFiles, wanted: Shown, names = /\.(qcow2|img)(\.partial)?$/): Promise<boolean> {
  for (const path of files.paths(IMAGES)) {
    if (!names.test(path)) continue;
    const shown = await readShown(files, IMAGES, path).catch(() => undefined);
    if (shown !== undefined && isSameShown(shown, wanted)) return true;
  }
  return false;
}
