#!/usr/bin/env node
// Runs the command on Node 24: as it is where that is the runtime, else on the Node 24 that npm brought along.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const NEEDED = 24;
/** Folder and extension of its modules: in the sources; in the package, which holds JavaScript, from either place of this file. */
const PLACES = [
  ['./', '.ts'],
  ['./', '.js'],
  ['../dist/bin/', '.js'],
];

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  const { keepCompiled } = await load('engine');
  keepCompiled();
  const { main } = await load('main');
  await main(process.argv);
} else {
  const node = broughtAlong();
  const child = spawn(node, [import.meta.filename, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {}); // the terminal sends it to the child, too
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (signal === 'SIGKILL' ? 9 : 15) : code));
}

function load(name) {
  const urls = PLACES.map(([folder, extension]) => new URL(folder + name + extension, import.meta.url));
  return import(urls.find((url) => existsSync(url)));
}

function broughtAlong() {
  const name = `node-linux-${process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/node`);
  } catch {
    process.stderr.write(`layermover: this is Node ${process.versions.node}; it needs Node ${NEEDED}.\n`);
    process.stderr.write(
      `hint: run npm ci without --omit=optional (it brings ${name} along), or install Node ${NEEDED}\n`,
    );
    process.exit(2);
  }
}
