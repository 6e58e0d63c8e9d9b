import { resolve } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { backingPath, dataFilePath, resolveFolder, resolveInside } from './backing.ts';
import { formatOf, PROBE_BYTES } from './format.ts';
import { readHeader } from './header.ts';
import type { Backing } from './header-names.ts';
import { HostFile } from './host-file.ts';
import { type Image, RawImage } from './image.ts';
import { ImageLayer } from './image-layer.ts';
import type { Chain, DiskLayer } from './layer.ts';
import { Qcow2Image } from './qcow2-image.ts';

export interface ChainOptions {
  readonly imageFolder: string;
  readonly topFormat?: string;
  /** The file system they lie on, this machine's unless set. */
  readonly files?: Files;
}

/**
 * Opens the image at `topPath` and all it is based on, read-only. Everything is checked before anything is returned,
 * nothing is changed. Each file must be a regular one inside `imageFolder`, links resolved. `topFormat` is the
 * caller's word on the top image; without it its magic decides.
 * Errors: IMAGE_FOLDER_MISSING, IMAGE_NOT_FOUND, BACKING_MISSING, IMAGE_OUTSIDE_FOLDER, IMAGE_NOT_REGULAR, IMAGE_NOT_READABLE,
 * IMAGE_FORMAT_UNSUPPORTED, BACKING_NAME_REFUSED, DATA_FILE_MISSING, DATA_FILE_NAME_REFUSED, CHAIN_LOOP, CHAIN_TOO_DEEP,
 * DISK_TOO_LARGE and those of readHeader and readMetadata.
 */
export async function openChain(topPath: string, options: ChainOptions): Promise<Chain> {
  const opened: HostFile[] = [];
  const files = new Map<number, string>();
  const close = async () => {
    await Promise.all(opened.map((file) => file.close()));
  };
  try {
    const images = await openImages(topPath, options, opened, files);
    const layers: DiskLayer[] = [];
    for (const image of images.reverse()) layers.push(new ImageLayer(image, layers.at(-1)));
    return { layers, files, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The images from the top down; what was opened is in `opened` even if this throws, and in `seen` by what it is. */
async function openImages(
  topPath: string,
  { imageFolder, topFormat, files = systemFiles }: ChainOptions,
  opened: HostFile[],
  seen: Map<number, string>,
): Promise<Image[]> {
  const folder = await resolveFolder(files, imageFolder);
  const images: Image[] = [];
  const open = async (path: string, missing: string): Promise<OpenFile> => {
    const file = await HostFile.openToRead(await resolveInside(files, folder, path, missing), files);
    opened.push(file);
    return { file, fileBytes: await checkFile(file, seen) };
  };
  let path = resolve(topPath);
  let backing: Backing | undefined = { name: path, format: topFormat };
  while (backing !== undefined) {
    if (images.length === limits.chain_layers_max) throw tooDeep(topPath);
    const missing = images.length === 0 ? 'IMAGE_NOT_FOUND' : 'BACKING_MISSING';
    const from = path;
    const openData = (name: string) => open(dataFilePath(from, name), 'DATA_FILE_MISSING');
    const found = await openImage(await open(path, missing), backing.format, openData);
    images.push(found.image);
    backing = found.backing;
    // As QEMU does, a name is relative to the path that was used, not to where a link leads.
    if (backing !== undefined) path = backingPath(path, backing.name);
  }
  return images;
}

interface OpenFile {
  readonly file: HostFile;
  readonly fileBytes: number;
}

async function openImage(
  { file, fileBytes }: OpenFile,
  declared: string | undefined,
  openData: (name: string) => Promise<OpenFile>,
) {
  const start = Buffer.alloc(PROBE_BYTES);
  const format = formatOf(file.path, start.subarray(0, await file.read(start, 0)), declared);
  const header = format === 'qcow2' ? await readHeader(file, fileBytes) : undefined;
  checkSize(file.path, header?.virtualBytes ?? fileBytes);
  if (header === undefined) return { image: new RawImage(file, fileBytes), backing: undefined };
  const data = header.dataFile === undefined ? { file, fileBytes } : await openData(header.dataFile);
  const { path, fd } = data.file;
  const place = { path, fd, fileBytes: data.fileBytes, external: data.file !== file };
  return { image: await Qcow2Image.open(file, fileBytes, header, place), backing: header.backing };
}

function checkSize(path: string, virtualBytes: number): void {
  if (virtualBytes <= limits.disk_bytes_max) return;
  throw new LayerMoverError('DISK_TOO_LARGE', `${path} is a disk of ${virtualBytes} bytes`, {
    hint: `disks may have up to ${limits.disk_bytes_max} bytes`,
    data: { path, virtualBytes, limit: limits.disk_bytes_max },
  });
}

/** Bytes of a regular file that is not yet part of the chain, as an image or as the data of one. */
async function checkFile(file: HostFile, seen: Map<number, string>): Promise<number> {
  const { path } = file;
  const stat = await file.stat();
  if (stat.kind !== 'file') {
    throw new LayerMoverError('IMAGE_NOT_REGULAR', `${path} is not a regular file`, {
      hint: 'copy the disk into an image file: qemu-img convert',
      data: { path },
    });
  }
  const identity = `${stat.dev}:${stat.ino}`;
  if ([...seen.values()].includes(identity)) {
    throw new LayerMoverError('CHAIN_LOOP', `${path} is twice in its own chain`, {
      hint: 'qemu-img info shows what each image names; mend it with qemu-img rebase -u',
      data: { path },
    });
  }
  seen.set(file.fd, identity);
  return stat.bytes;
}

function tooDeep(path: string): LayerMoverError {
  return new LayerMoverError('CHAIN_TOO_DEEP', `${path} is based on more than ${limits.chain_layers_max - 1} images`, {
    hint: 'shorten the chain: qemu-img commit, or qemu-img rebase to a lower image',
    data: { path, limit: limits.chain_layers_max },
  });
}
