import { Command } from 'commander';
import { layerListVerb } from './list.ts';

/** What is known of base layers; one verb a file. */
export function layerVerb(): Command {
  return new Command('layer').description('Base layers that the namespace knows.').addCommand(layerListVerb());
}
