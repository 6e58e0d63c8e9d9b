import { Argument, Command } from 'commander';
import { migrationId } from '../../core/api/names.ts';
import { exitCodesHelp, usage } from '../exit-codes.ts';

/** A verb with an example in its help. Verbs import what is heavy when they run, so that help and short calls are quick. */
export function verb(name: string, description: string, example: string): Command {
  return new Command(name).description(description).addHelpText('after', `\nExample:\n  ${example}\n${exitCodesHelp}`);
}

export const CLOUD_OPTION = [
  '--cloud <file>',
  'cloud file (default: $LAYERMOVER_CLOUD, else .layermover/cloud.json)',
] as const;

export const REPORT_OPTION = [
  '--report <file>',
  'at the end write a page with a picture of what was sent, and the proof',
] as const;

/** The id of a migration, checked before anybody is asked. */
export function migrationArgument(description: string): Argument {
  return new Argument('<migration>', description).argParser((text) => {
    if (migrationId.safeParse(text).success) return text;
    throw usage(`${text} is no migration’s id`, 'an m and 20 hex digits; `layermover list` shows them');
  });
}
