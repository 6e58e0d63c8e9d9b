import * as z from 'zod';
import { count } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import { ask } from './ask.ts';
import type { Qmp } from './qmp.ts';
import { throttleOf } from './throttle.ts';

interface ImageInfo {
  readonly filename: string;
  readonly format: string;
  readonly 'virtual-size': number;
  readonly 'actual-size'?: number | undefined;
  readonly 'cluster-size'?: number | undefined;
  readonly 'format-specific'?: { readonly data?: { readonly compat?: unknown } | undefined } | undefined;
  readonly 'backing-image'?: ImageInfo | undefined;
}

const imageInfo: z.ZodType<ImageInfo> = z.looseObject({
  filename: z.string(),
  format: z.string(),
  'virtual-size': count,
  'actual-size': count.optional(),
  'cluster-size': count.optional(),
  'format-specific': z.looseObject({ data: z.looseObject({ compat: z.unknown() }).optional() }).optional(),
  get 'backing-image'() {
    return imageInfo.optional();
  },
});

const bitmap = z.looseObject({ name: z.string().optional(), count, granularity: count, busy: z.boolean() });

const blockInfo = z.looseObject({
  device: z.string(),
  qdev: z.string().optional(),
  inserted: z
    .looseObject({
      'node-name': z.string(),
      ro: z.boolean(),
      drv: z.string(),
      file: z.string(),
      image: imageInfo,
      'dirty-bitmaps': z.array(bitmap).optional(),
    })
    .optional(),
});

/** A bitmap of what was written. */
export interface DirtyBitmap {
  readonly name: string;
  /** Bytes. */
  readonly dirtyBytes: number;
}

/** A disk as the VM's QEMU has it open. */
export interface QemuDisk {
  /** The top node. */
  readonly node: string;
  /** Names the device in commands, a QOM path or an id; undefined if no device of the VM uses the disk. */
  readonly qdev: string | undefined;
  readonly isReadOnly: boolean;
  readonly driver: string;
  /** File names as QEMU was given them, top first. */
  readonly files: readonly string[];
  readonly virtualBytes: number;
  /** What the top image's file takes. */
  readonly fileBytes: number;
  readonly clusterBytes: number;
  /** qcow2's. */
  readonly version: 2 | 3;
  readonly bitmaps: readonly DirtyBitmap[];
  readonly throttle: Readonly<Record<string, number | string>>;
}

/** The disks of a VM's devices that hold anything. Errors: QMP_REFUSED and those of Qmp.execute. */
export async function disksOf(qmp: Qmp, signal?: AbortSignal): Promise<QemuDisk[]> {
  const blocks = await ask(qmp, z.array(blockInfo), 'query-block', {}, { signal });
  return blocks.flatMap(({ inserted, qdev }) => {
    if (inserted === undefined) return [];
    const { image } = inserted;
    return {
      node: inserted['node-name'],
      qdev,
      isReadOnly: inserted.ro,
      driver: inserted.drv,
      files: [...filesOf(image)],
      virtualBytes: image['virtual-size'],
      fileBytes: image['actual-size'] ?? 0,
      clusterBytes: image['cluster-size'] ?? 0,
      version: image['format-specific']?.data?.compat === '0.10' ? 2 : 3,
      bitmaps: (inserted['dirty-bitmaps'] ?? []).flatMap(({ name, count: dirtyBytes }) =>
        name === undefined ? [] : { name, dirtyBytes },
      ),
      throttle: throttleOf(inserted),
    };
  });
}

function* filesOf(top: ImageInfo): Generator<string> {
  let image: ImageInfo | undefined = top;
  for (let depth = 0; image !== undefined && depth < limits.chain_layers_max; depth++) {
    yield image.filename;
    image = image['backing-image'];
  }
}
