import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { incompressible } from '../../content.ts';

const MiB = 1024 * 1024;
const FILE_BYTES = 2 * MiB;
const DAY_MS = 24 * 3600_000;

/** Writes what users leave on a disk: media files that no compressor shrinks, and a log. The same for the same seed. */
export function writeUserFiles(folder: string, seed: number, sizes: { mediaBytes: number; logBytes: number }): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'media'), { recursive: true });
  const content = incompressible(1000 + seed);
  const step = Buffer.alloc(FILE_BYTES);
  for (let at = 0; at < sizes.mediaBytes; at += FILE_BYTES) {
    content(step);
    write(join(folder, 'media', `${at / FILE_BYTES}.jpg`), [step]);
  }
  write(join(folder, 'access.log'), logLines(seed, sizes.logBytes));
}

/** As a web server writes them: addresses, times, paths and sizes that nothing tells beforehand, among much that repeats. */
function* logLines(seed: number, bytes: number): Generator<Buffer> {
  const chance = incompressible(2000 + seed);
  const drawn = Buffer.alloc(16);
  let ms = Date.UTC(2026, 0, 1);
  for (let written = 0; written < bytes; ) {
    let lines = '';
    for (let nth = 0; nth < 1000; nth++) {
      chance(drawn);
      ms += drawn.readUInt16BE(0) % (DAY_MS / 20_000);
      const address = `10.${drawn[2]}.${drawn[3]! % 16}.${drawn[4]}`;
      const path = `/${['wp', 'media', 'static', 'api'][drawn[5]! % 4]}/${drawn.readUInt16BE(6) % 2000}`;
      const agent = AGENTS[drawn[8]! % AGENTS.length];
      lines += `${address} - - [${new Date(ms).toISOString()}] "GET ${path} HTTP/1.1" 200 ${drawn.readUInt16BE(9)} "-" "${agent}"\n`;
    }
    const part = Buffer.from(lines).subarray(0, bytes - written);
    written += part.length;
    yield part;
  }
}

const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148',
  'curl/8.14.1',
];

function write(path: string, parts: Iterable<Buffer>): void {
  const fd = openSync(path, 'w');
  for (const part of parts) writeSync(fd, part);
  closeSync(fd);
}
