import { hash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, run } from '../command.ts';
import { bootstrapping, bringing, installing, withMounted } from './mounted.ts';
import { type Environment, type Recipe, SUITE } from './recipes.ts';
import { writeUserFiles } from './user-files.ts';

/** An image as peers take it, and as a chain of layers: both hold the same. */
export interface Image {
  readonly name: string;
  /** A raw disk, sparse. */
  readonly raw: string;
  /** qcow2 files, bottom first. */
  readonly chain: readonly string[];
}

export interface Images {
  /** All files of chains lie here. */
  readonly layers: string;
  readonly os: Image;
  readonly environments: readonly Image[];
  /** One on each of the first environments. */
  readonly vms: readonly Image[];
}

/** Builds what is not there yet; a step that was broken off leaves nothing that counts. */
export async function buildImages(
  dir: string,
  recipe: Recipe,
  options: CommandOptions & { readonly note: (line: string) => void },
): Promise<Images> {
  const builder = new Builder(dir, recipe, options);
  const os = await builder.os();
  const environments: Image[] = [];
  const vms: Image[] = [];
  for (const [nth, each] of recipe.environments.entries()) {
    const environment = await builder.environment(os, each);
    environments.push(environment);
    if (nth < recipe.vms) vms.push(await builder.vm(environment, each, nth));
  }
  return { layers: builder.layers, os, environments, vms };
}

class Builder {
  readonly layers: string;
  readonly #dir: string;
  readonly #recipe: Recipe;
  readonly #options: CommandOptions & { readonly note: (line: string) => void };

  constructor(dir: string, recipe: Recipe, options: CommandOptions & { readonly note: (line: string) => void }) {
    // Another recipe makes other images.
    this.#dir = join(dir, `${recipe.name}-${hash('sha256', JSON.stringify([SUITE, recipe])).slice(0, 8)}`);
    this.#recipe = recipe;
    this.#options = options;
    this.layers = join(this.#dir, 'layers');
    for (const folder of ['raw', 'layers']) mkdirSync(join(this.#dir, folder), { recursive: true });
  }

  async os(): Promise<Image> {
    const raw = await this.#raw('os', async (part) => {
      writeFileSync(part, '');
      truncateSync(part, this.#recipe.virtualBytes);
      await run(['mkfs.ext4', '-q', '-F', part], this.#options);
      await this.#mounted(part, bootstrapping(SUITE, mirror(), this.#recipe.osPackages));
    });
    const layer = await this.#layer('os', async (part) => {
      await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, part], this.#options);
    });
    return { name: 'os', raw, chain: [layer] };
  }

  async environment(os: Image, { name, packages }: Environment): Promise<Image> {
    return await this.#over(os, name, (part) => this.#mounted(part, installing(packages)));
  }

  async vm(environment: Image, { name, dataPackage }: Environment, seed: number): Promise<Image> {
    const files = join(this.#dir, 'user-files');
    const image = await this.#over(environment, `vm-${name}`, async (part) => {
      writeUserFiles(files, seed, this.#recipe);
      await this.#mounted(part, bringing(dataPackage, files));
    });
    rmSync(files, { recursive: true, force: true });
    return image;
  }

  /** A copy of an image with changes, and the layer that holds just these. */
  async #over(below: Image, name: string, change: (part: string) => Promise<void>): Promise<Image> {
    const raw = await this.#raw(name, async (part) => {
      await run(['cp', '--sparse=always', below.raw, part], this.#options);
      await change(part);
    });
    const base = below.chain.at(-1)!;
    const layer = await this.#layer(name, async (part) => {
      // qemu-img keeps clusters of a full image that are equal to the base; of an empty one over it there are none.
      await run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', raw, '-F', 'raw', part], this.#options);
      await run(['qemu-img', 'rebase', '-q', '-b', base, '-F', 'qcow2', part], this.#options);
      // The agent wants names within its folder.
      const named = base.slice(this.layers.length + 1);
      await run(['qemu-img', 'rebase', '-q', '-u', '-b', named, '-F', 'qcow2', part], this.#options);
      await run(['qemu-img', 'compare', '-q', '-f', 'raw', '-F', 'qcow2', raw, part], this.#options);
    });
    return { name, raw, chain: [...below.chain, layer] };
  }

  #mounted(raw: string, lines: string): Promise<void> {
    const [at, packages] = [join(this.#dir, 'root'), join(this.#dir, '../packages')];
    return withMounted({ raw, at, packages }, lines, this.#options);
  }

  #raw(name: string, make: (part: string) => Promise<void>): Promise<string> {
    return this.#made(join(this.#dir, 'raw', `${name}.raw`), make);
  }

  #layer(name: string, make: (part: string) => Promise<void>): Promise<string> {
    return this.#made(join(this.layers, `${name}.qcow2`), make);
  }

  async #made(path: string, make: (part: string) => Promise<void>): Promise<string> {
    if (existsSync(path)) return path;
    this.#options.note(`building ${path}`);
    const part = `${path}.part`;
    rmSync(part, { force: true });
    try {
      await make(part);
      renameSync(part, path);
    } finally {
      rmSync(part, { force: true });
    }
    return path;
  }
}

/** The mirror that this machine's own apt uses. */
function mirror(): string {
  const folder = '/etc/apt/sources.list.d';
  const listed = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  for (const file of ['/etc/apt/sources.list', ...listed].filter((each) => existsSync(each))) {
    const found = /^(?:deb\s(?:\[.*\]\s)?|URIs:)\s*(\S+\/debian\/?)(?:\s|$)/m.exec(readFileSync(file, 'utf8'));
    if (found !== null) return found[1]!;
  }
  return 'http://deb.debian.org/debian';
}
