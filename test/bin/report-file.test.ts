import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reportPlace, writeReport } from '../../bin/report/file.ts';
import { reportPage } from '../../bin/report/page.ts';
import { migration, receiptsOf } from './samples.ts';

const of = migration();
const PAGE = reportPage({ migration: of, receipts: receiptsOf(of), version: '1', atMs: 0 });
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'layermover-report-'));
  file = path.join(folder, 'report.html');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the place of a report', () => {
  it('is free, or has an older report, or is empty', async () => {
    await writeReport(await reportPlace(file), PAGE);
    await writeReport(await reportPlace(file), `${PAGE}newer`);
    expect(await readFile(file, 'utf8')).toBe(`${PAGE}newer`);
    expect(await readdir(folder)).toEqual(['report.html']);
    await writeFile(file, '');
    expect(await reportPlace(file)).toBe(file);
  });

  it('is refused if something else is there, unless that may go', async () => {
    for (const text of ['my notes', '<!doctype html>\n<p>a page of somebody’s']) {
      await writeFile(file, text);
      await expect(reportPlace(file)).rejects.toMatchObject({ code: 'REPORT_FILE_TAKEN', hint: expect.any(String) });
      expect(await readFile(file, 'utf8')).toBe(text);
    }
    expect(await reportPlace(file, { force: true })).toBe(file);
  });

  it('is no folder, and lies in a folder that is there', async () => {
    await mkdir(file);
    await expect(reportPlace(file)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(reportPlace(file, { force: true })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(reportPlace(path.join(folder, 'none', 'a.html'))).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('is where a link leads', async () => {
    await writeFile(file, PAGE);
    const link = path.join(folder, 'latest.html');
    await symlink(file, link);
    await writeReport(await reportPlace(link), `${PAGE}newer`);
    expect(await readFile(file, 'utf8')).toBe(`${PAGE}newer`);
    expect((await readdir(folder)).sort()).toEqual(['latest.html', 'report.html']);
  });
});

describe('a report that can’t be written', () => {
  it('leaves the old one, and no draft', async () => {
    const place = path.join(folder, 'taken');
    await mkdir(place);
    await writeFile(path.join(place, 'inside'), '');
    await expect(writeReport(place, PAGE)).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['taken']);
  });
});
