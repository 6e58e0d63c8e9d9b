import { beforeAll, expect, test } from 'vitest';
import { assertNotHeld } from '../../agent/disk/held.ts';
import { describeWithQemu, qemuImg, whileRunning, qemuIo as writeSome } from './qemu.ts';
import { KiB, tempFolder } from './support.ts';

const folder = tempFolder();
const [BASE, MIDDLE, TOP, OTHER, RAW] = ['base.qcow2', 'middle.qcow2', 'top.qcow2', 'other.qcow2', 'disk.raw'] as const;
const layers = (...names: string[]) => names.map((name) => ({ paths: [folder.at(name)] }));
const PROMPT = /qemu-io> /;

describeWithQemu('a chain that QEMU has open', () => {
  beforeAll(async () => {
    await qemuImg('create', '-f', 'qcow2', folder.at(BASE), '16M');
    for (const [name, base] of [
      [MIDDLE, BASE],
      [TOP, MIDDLE],
      [OTHER, MIDDLE],
    ] as const) {
      await qemuImg('create', '-f', 'qcow2', '-b', base, '-F', 'qcow2', folder.at(name));
    }
    await qemuImg('create', '-f', 'raw', folder.at(RAW), '16M');
    await writeSome(folder.at(OTHER), 'write -P 1 0 8M');
  });

  const chain = () => assertNotHeld(layers(BASE, MIDDLE, TOP));
  const qemuIo = (args: string[], use: () => Promise<void>) => whileRunning('qemu-io', args, PROMPT, use);

  test('is free when nobody has it', async () => {
    await chain();
    await assertNotHeld(layers(RAW));
  });

  test('is held while its top is open for writing or for reading', async () => {
    for (const mode of [[], ['-r']]) {
      await qemuIo([...mode, folder.at(TOP)], async () => {
        await expect(chain()).rejects.toMatchObject({ code: 'IMAGE_HELD', data: { path: folder.at(TOP) } });
      });
    }
    await chain();
  });

  test('is free while another VM runs on the same base', async () => {
    await qemuIo([folder.at(OTHER)], async () => {
      await chain();
      await expect(assertNotHeld(layers(BASE, MIDDLE))).rejects.toMatchObject({ code: 'IMAGE_HELD' });
    });
  });

  test('is refused while someone may write to its base', async () => {
    const written = { code: 'BACKING_WRITTEN', data: { path: folder.at(MIDDLE) } };
    await qemuIo([folder.at(MIDDLE)], async () => {
      await expect(chain()).rejects.toMatchObject(written);
    });
    const exported = ['-t', '-k', folder.at('socket'), '-f', 'qcow2', folder.at(MIDDLE)];
    await whileRunning('qemu-nbd', exported, undefined, async () => {
      await expect.poll(() => chain().catch((error) => error), { timeout: 10_000 }).toMatchObject(written);
    });
  });

  test('raw images are held, too', async () => {
    await qemuIo(['-f', 'raw', folder.at(RAW)], async () => {
      await expect(assertNotHeld(layers(RAW))).rejects.toMatchObject({ code: 'IMAGE_HELD' });
      await expect(assertNotHeld(layers(RAW, TOP))).rejects.toMatchObject({ code: 'BACKING_WRITTEN' });
    });
  });

  test('a file with the data of an image is held as the image is', async () => {
    const data = folder.at('kept.data');
    await qemuImg('create', '-f', 'qcow2', '-o', `data_file=${data}`, folder.at('kept.qcow2'), '1M');
    const kept = { paths: [folder.at('kept.qcow2'), data] };
    await assertNotHeld([kept]);
    await qemuIo(['-f', 'raw', data], async () => {
      await expect(assertNotHeld([kept])).rejects.toMatchObject({ code: 'IMAGE_HELD', data: { path: data } });
      const below = assertNotHeld([kept, ...layers(TOP)]);
      await expect(below).rejects.toMatchObject({ code: 'BACKING_WRITTEN', data: { path: data } });
    });
    await qemuIo(['-r', '-f', 'raw', data], () => assertNotHeld([kept, ...layers(TOP)]));
  });

  test('a running qemu-img shows on its source and its target', async () => {
    const slow = ['convert', '-r', String(64 * KiB), '-n', '-O', 'raw', '-p', folder.at(OTHER), folder.at(RAW)];
    await whileRunning('qemu-img', slow, undefined, async () => {
      for (const path of [folder.at(RAW), folder.at(OTHER)]) {
        const held = () => assertNotHeld([{ paths: [path] }]).catch((error) => error);
        await expect.poll(held, { timeout: 10_000 }).toMatchObject({ code: 'IMAGE_HELD', data: { path } });
      }
      await assertNotHeld(layers(BASE, MIDDLE, TOP));
    });
  });
});
