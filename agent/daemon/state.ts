import { join } from 'node:path';
import { Catalog } from '../catalog/catalog.ts';
import { Arrivals } from '../images/arrivals.ts';
import { Brought } from '../images/brought.ts';
import { ImageFolder } from '../images/image-folder.ts';
import { RunningVms } from '../images/running-vms.ts';
import { VmFiles } from '../images/vm-files.ts';
import { Launches, type LaunchWorld } from '../launch/launches.ts';
import { type FoundVms, withFound } from '../live/found-vms.ts';
import { ManifestStore } from '../manifests/store.ts';
import { Measures } from '../measure/measures.ts';

/** What a host keeps between the runs of its agent. */
export interface HostState {
  readonly manifests: ManifestStore;
  readonly catalog: Catalog;
  readonly arrivals: Arrivals;
  readonly brought: Brought;
  readonly images: ImageFolder;
  readonly launches: Launches;
  readonly measures: Measures;
  /** The VM files of VMs that run. */
  readonly running: RunningVms;
}

/** Which VMs a host has, beside those that arrived. */
export interface OwnVms {
  /** The operator's, by name; without it images that nobody is based on are VMs. */
  readonly named?: Readonly<Record<string, string>> | undefined;
  /** Those whose QEMUs the agent found by itself. */
  readonly found?: Pick<FoundVms, 'all'> | undefined;
}

/**
 * Opens what the last run left, and ends what it left half done. The folder must be locked. Errors: STATE_CORRUPT and those
 * of findImages.
 */
export async function openState(
  world: LaunchWorld,
  imageFolder: string,
  stateFolder: string,
  { named, found }: OwnVms = {},
): Promise<HostState> {
  const { files } = world;
  const manifests = new ManifestStore(join(stateFolder, 'manifests'), files);
  const catalog = await Catalog.open(join(stateFolder, 'layers'), files);
  const vms = await VmFiles.open(join(stateFolder, 'vms'), imageFolder, files);
  const arrivals = await Arrivals.open(join(stateFolder, 'arrivals'), { imageFolder, catalog, vms }, files);
  const unplaced = arrivals.unplaced().map(({ layer }) => layer.layerId);
  await manifests.sweep(new Set([...catalog.layerIds(), ...unplaced]));
  const arrived = arrivals.waiting().map(({ migration, name }) => ({ migration, vm: name }));
  const launches = await Launches.open(join(stateFolder, 'qemu'), world, arrived);
  const running = new RunningVms(join(stateFolder, 'running'), imageFolder, files);
  const all = async () => withFound(await running.all(), (await found?.all()) ?? []);
  const options = {
    arrived: vms,
    running: { all },
    notVms: () => new Set([...catalog.basePaths(), ...arrivals.paths()]),
  };
  const images = new ImageFolder(imageFolder, named === undefined ? options : { ...options, named }, files);
  await images.vms();
  const brought = await Brought.open(join(stateFolder, 'brought'), { files, catalog, arrivals, images });
  const measures = await Measures.open(join(stateFolder, 'measures'), files);
  return { manifests, catalog, arrivals, brought, images, launches, running, measures };
}
