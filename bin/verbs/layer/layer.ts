import { Command } from 'commander';
import { layerDeriveVerb } from './derive.ts';
import { layerListVerb } from './list.ts';
import { layerRegisterVerb } from './register.ts';
import { layerRmVerb } from './rm.ts';
import { layerShowVerb } from './show.ts';
import { layerSimilarityVerb } from './similarity.ts';
import { layerSuggestVerb } from './suggest.ts';

const known = [layerRegisterVerb, layerListVerb, layerShowVerb, layerRmVerb];
const made = [layerDeriveVerb, layerSuggestVerb, layerSimilarityVerb];

/** What is known of base layers, and what makes them; one verb a file. */
export function layerVerb(): Command {
  const command = new Command('layer').description('Base layers: those that are known, and how disks become layers.');
  for (const verb of [...known, ...made]) command.addCommand(verb());
  return command;
}
