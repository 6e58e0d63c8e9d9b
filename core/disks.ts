/** Which of its VM's disks a layer is of; undefined where the VM has one alone. */
export interface OfDisk {
  readonly disk?: string | undefined;
}

type Layer = OfDisk | { readonly layer: OfDisk };

/** A disk of a VM: its chain, bottom first; never empty. */
export interface Disk<T> {
  readonly disk: string | undefined;
  readonly layers: readonly T[];
}

/** The disks of a VM whose layers are listed chain after chain, each bottom first. */
export function disksOf<T extends Layer>(layers: readonly T[]): Disk<T>[] {
  const disks: { disk: string | undefined; layers: T[] }[] = [];
  for (const layer of layers) {
    const disk = diskOf(layer);
    const last = disks.at(-1);
    if (last === undefined || last.disk !== disk) disks.push({ disk, layers: [layer] });
    else last.layers.push(layer);
  }
  return disks;
}

/** The layers that the VM writes to, one a disk. */
export function topsOf<T extends Layer>(layers: readonly T[]): T[] {
  return disksOf(layers).map((disk) => topLayer(disk));
}

/** Those that lie below, which nobody writes. */
export function basesOf<T extends Layer>(layers: readonly T[]): T[] {
  return disksOf(layers).flatMap((disk) => disk.layers.slice(0, -1));
}

/** The one that the VM writes to. */
export function topLayer<T>({ layers }: Pick<Disk<T>, 'layers'>): T {
  return layers.at(-1)!;
}

/** Names the transfer of a disk's top layer within a migration. */
export function topStream(vm: string, disk: string | undefined): string {
  return disk === undefined ? `ud:${vm}` : `ud:${vm}/${disk}`;
}

/** How a disk is called where its VM's name is told, too: nothing for the only one. */
export function ofDisk(disk: string | undefined): OfDisk & { readonly disk?: string } {
  return disk === undefined ? {} : { disk };
}

function diskOf(layer: Layer): string | undefined {
  return 'layer' in layer ? layer.layer.disk : layer.disk;
}
