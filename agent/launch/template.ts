import { isAbsolute } from 'node:path';
import * as z from 'zod';
import { vmName } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { KINDS } from '../../core/kinds.ts';
import { limits } from '../../core/limits.ts';

const text = z.string().max(limits.path_length_max);
/** An argument: a text, or an object that the program gets as JSON. */
const argument = z.union([text, z.record(z.string(), z.json())]);
/** A list within the list is left out as a whole where one of its placeholders has no value. */
const command = z
  .array(z.union([argument, z.array(argument).max(limits.launcher_arguments_max)]))
  .min(1)
  .max(limits.launcher_arguments_max);

const launcherFile = z.strictObject({
  /** Program and arguments for any VM. */
  command,
  /** Those for VMs that need their own. */
  vms: z.record(vmName, z.strictObject({ command })).optional(),
});
export type LauncherFile = z.infer<typeof launcherFile>;
type Command = z.infer<typeof command>;
type Argument = z.infer<typeof argument>;

const PLACEHOLDER = /\{([a-z]+(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)?(?::[a-z]+)?)\}/g;
const KNOWN = ['name', 'qmp', 'incoming', 'disk', ...KINDS.map((kind) => `disk:${kind}`)];
/** Those of a VM's several disks. */
const KNOWN_OF_DISKS = new RegExp(`^disk/[^:]{1,31}(:(${KINDS.join('|')}))?$`);

/** What placeholders stand for, by name; `incoming` has a value only where a guest is to come over. */
export type Values = Readonly<Record<string, string | undefined>>;

/**
 * Reads a launcher file's text. Errors: LAUNCHER_INVALID for what is no such JSON, a program that is no absolute path,
 * placeholders that nobody knows, and a command without its VM's disk or QMP socket.
 */
export function parseLauncher(path: string, json: string): LauncherFile {
  const file = parse(path, json);
  for (const each of [file.command, ...Object.values(file.vms ?? {}).map((vm) => vm.command)]) check(path, each);
  return file;
}

/**
 * The arguments of one VM's QEMU, the program first. No shell reads them. A value that is a part of a longer text has its
 * commas doubled, as QEMU's options want it; alone, and in objects, it stays as it is.
 * Errors: LAUNCHER_INVALID if a placeholder outside an inner list has no value.
 */
export function fillCommand(path: string, file: LauncherFile, vm: string, values: Values): string[] {
  const parts = file.vms?.[vm]?.command ?? file.command;
  return parts.flatMap((part) => {
    if (!Array.isArray(part)) return [fill(path, part, values)];
    const missing = part.some((each) => namesIn(each).some((name) => values[name] === undefined));
    return missing ? [] : part.map((each) => fill(path, each, values));
  });
}

/** The placeholders in the command of one VM. */
export function namesUsed(file: LauncherFile, vm: string): string[] {
  return (file.vms?.[vm]?.command ?? file.command).flat().flatMap(namesIn);
}

function parse(path: string, json: string): LauncherFile {
  try {
    return launcherFile.parse(JSON.parse(json));
  } catch (cause) {
    throw invalid(path, 'is no launcher file', cause);
  }
}

function check(path: string, parts: Command): void {
  const [program] = parts;
  if (typeof program !== 'string' || !isAbsolute(program) || namesIn(program).length > 0)
    throw invalid(path, 'must begin each command with the absolute path of a program');
  const names = new Set(parts.flat().flatMap(namesIn));
  const unknown = [...names].find((name) => !KNOWN.includes(name) && !KNOWN_OF_DISKS.test(name));
  if (unknown !== undefined) throw invalid(path, `names {${unknown}}, which stands for nothing`);
  if (!names.has('qmp') || ![...names].some((name) => name.startsWith('disk')))
    throw invalid(path, 'has a command without {qmp}, or without its VM’s {disk}');
}

function fill(path: string, part: Argument, values: Values): string {
  const of = (name: string) => values[name] ?? missing(path, name);
  if (typeof part !== 'string') return JSON.stringify(part, (_, value) => replaced(value, of));
  const [only] = namesIn(part);
  if (only !== undefined && part === `{${only}}`) return of(only);
  return part.replace(PLACEHOLDER, (_, name: string) => of(name).replaceAll(',', ',,'));
}

function replaced(value: unknown, of: (name: string) => string): unknown {
  return typeof value === 'string' ? value.replace(PLACEHOLDER, (_, name: string) => of(name)) : value;
}

/** The placeholders in an argument; in an object those of its values. */
function namesIn(part: Argument): string[] {
  if (typeof part === 'string') return [...part.matchAll(PLACEHOLDER)].map(([, name]) => name!);
  const names: string[] = [];
  JSON.stringify(part, (_, value) => {
    if (typeof value === 'string') names.push(...namesIn(value));
    return value;
  });
  return names;
}

function missing(path: string, name: string): never {
  throw invalid(
    path,
    `names {${name}}, which this VM has no value for; put it into an inner list to leave it out then`,
  );
}

function invalid(path: string, why: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('LAUNCHER_INVALID', `${path} ${why}`, {
    hint: `docs/LIVE.md shows one; placeholders are ${[...KNOWN, 'disk/NAME', 'disk/NAME:KIND'].map((name) => `{${name}}`).join(' ')}`,
    data: { path },
    cause,
  });
}
