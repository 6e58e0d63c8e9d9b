import { Command } from 'commander';
import { exitCodesHelp } from '../exit-codes.ts';

/** A verb with an example in its help. Verbs import what is heavy when they run, so that help and short calls are quick. */
export function verb(name: string, description: string, example: string): Command {
  return new Command(name).description(description).addHelpText('after', `\nExample:\n  ${example}\n${exitCodesHelp}`);
}

export const CLOUD_OPTION = [
  '--cloud <file>',
  'cloud file (default: $LAYERMOVER_CLOUD, else .layermover/cloud.json)',
] as const;
