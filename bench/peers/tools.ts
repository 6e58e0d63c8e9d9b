/** Which file of an image a tool is given: its disk, or its own layer's file. */
export type Input = 'raw' | 'layer';

/** Where a tool keeps what it stores, and its own files. */
export interface Place {
  readonly store: string;
  /** For caches and settings: they do not count. */
  readonly own: string;
}

/** A command line, in a folder of its own if it must be. */
export interface Step {
  readonly words: readonly string[];
  readonly cwd?: string;
}

/** A tool that takes images in, one after the other, and gives them back. */
export interface Tool {
  readonly name: string;
  /** Its program, and the Debian package with it. */
  readonly program: string;
  readonly package: string;
  readonly deduplicates: boolean;
  /** What it is given, a run each. Goals are set against what it makes of raw disks. */
  readonly inputs: readonly Input[];
  readonly env?: (place: Place) => Readonly<Record<string, string>>;
  readonly begin?: (place: Place) => Step;
  readonly ingest: (place: Place, image: string, name: string) => Step;
  /** Bytes that one ingest sent, from what it printed, if what lies in the store tells nothing. */
  readonly sentBytes?: (out: string) => number;
  /** Gives the image back somewhere below `folder`; a tool that only sends has nothing to give. */
  readonly restore?: (
    place: Place,
    image: string,
    name: string,
    folder: string,
  ) => Step & { readonly restored: string };
}

const restic: Tool = {
  name: 'restic',
  program: 'restic',
  package: 'restic',
  deduplicates: true,
  inputs: ['raw'],
  env: ({ own }) => ({ RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: `${own}/cache` }),
  begin: ({ store }) => ({ words: ['restic', '-q', '-r', store, 'init'] }),
  ingest: ({ store }, image, name) => ({ words: ['restic', '-q', '-r', store, 'backup', '--tag', name, image] }),
  restore: ({ store }, image, name, folder) => ({
    words: ['restic', '-q', '-r', store, 'restore', 'latest', '--tag', name, '--target', folder],
    restored: `${folder}${image}`,
  }),
};

function borg(name: string, chunker: readonly string[], inputs: readonly Input[]): Tool {
  return {
    name,
    program: 'borg',
    package: 'borgbackup',
    deduplicates: true,
    inputs,
    env: ({ own }) => ({ BORG_BASE_DIR: own, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' }),
    begin: ({ store }) => ({ words: ['borg', 'init', '-e', 'none', store] }),
    ingest: ({ store }, image, as) => ({
      words: ['borg', 'create', '--compression', 'zstd,3', ...chunker, `${store}::${as}`, image],
    }),
    restore: ({ store }, image, as, folder) => ({
      words: ['borg', 'extract', '--sparse', `${store}::${as}`],
      cwd: folder,
      restored: `${folder}${image}`,
    }),
  };
}

/** casync, and desync, which is its like in Go: an index file an image, and a store of chunks. */
function chunkStore(program: string): Tool {
  const index = (own: string, name: string) => `${own}/${name}.caibx`;
  const store = (place: Place) => [`--store=${place.store}`];
  return {
    name: program,
    program,
    package: program,
    deduplicates: true,
    inputs: ['raw'],
    ingest: (place, image, name) => ({ words: [program, 'make', ...store(place), index(place.own, name), image] }),
    restore: (place, _, name, folder) => ({
      words: [program, 'extract', ...store(place), index(place.own, name), `${folder}/disk.raw`],
      restored: `${folder}/disk.raw`,
    }),
  };
}

const rsync: Tool = {
  name: 'rsync -z',
  program: 'rsync',
  package: 'rsync',
  deduplicates: false,
  inputs: ['raw'],
  ingest: ({ store }, image) => ({
    words: ['rsync', '-z', '--sparse', '--no-whole-file', '--stats', '--no-human-readable', image, `${store}/`],
  }),
  sentBytes: (out) => Number(/Total bytes sent: (\d+)/.exec(out)![1]),
};

const convert: Tool = {
  name: 'qemu-img convert -c',
  program: 'qemu-img',
  package: 'qemu-utils',
  deduplicates: false,
  inputs: ['raw'],
  ingest: ({ store }, image, name) => ({
    words: [
      ...['qemu-img', 'convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', 'compression_type=zstd'],
      ...[image, `${store}/${name}.qcow2`],
    ],
  }),
  restore: ({ store }, _image, name, folder) => ({
    words: ['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', `${store}/${name}.qcow2`, `${folder}/disk.raw`],
    restored: `${folder}/disk.raw`,
  }),
};

/** Each with its own defaults but for what is named. */
export const TOOLS: readonly Tool[] = [
  // Chunks of fixed size find what layers' files share, too: clusters lie at multiples of 64 KiB.
  borg('borg, fixed 64 KiB', ['--chunker-params', 'fixed,65536'], ['raw', 'layer']),
  convert,
  chunkStore('casync'),
  chunkStore('desync'),
  restic,
  borg('borg', [], ['raw']),
  rsync,
];
