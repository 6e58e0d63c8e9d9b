import * as z from 'zod';
import { type Files, isRefusedWith } from '../../core/files.ts';

/** What tells, without reading it, that a file is the one it was. Numbers are decimal strings: they exceed 2^53. */
export const fileIdentity = z.object({
  dev: z.string(),
  ino: z.string(),
  size: z.string(),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
});
export type FileIdentity = z.infer<typeof fileIdentity>;

/** The identity of the file at `path`; undefined if there is none. */
export async function identityOf(files: Files, path: string): Promise<FileIdentity | undefined> {
  try {
    const { dev, ino, bytes, mtimeNs, ctimeNs } = await files.stat(path);
    return { dev: `${dev}`, ino: `${ino}`, size: `${bytes}`, mtimeNs: `${mtimeNs}`, ctimeNs: `${ctimeNs}` };
  } catch (error) {
    if (isRefusedWith(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The identities of all files of a layer. */
export function identitiesOf(layer: LayerFiles): Promise<(FileIdentity | undefined)[]> {
  return Promise.all(layer.paths.map((path) => identityOf(layer.files, path)));
}

export type LayerFiles = { readonly files: Files; readonly paths: readonly string[] };

export function sameFiles(a: readonly (FileIdentity | undefined)[], b: readonly (FileIdentity | undefined)[]): boolean {
  return a.length === b.length && a.every((file, i) => sameFile(file, b[i]));
}

export function sameFile(a: FileIdentity | undefined, b: FileIdentity | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}
