import { Command } from 'commander';
import { layerDeriveVerb } from './derive.ts';
import { layerListVerb } from './list.ts';
import { layerSimilarityVerb } from './similarity.ts';
import { layerSuggestVerb } from './suggest.ts';

/** What is known of base layers, and what makes them; one verb a file. */
export function layerVerb(): Command {
  return new Command('layer')
    .description('Base layers: those that the namespace knows, and how disks become layers.')
    .addCommand(layerListVerb())
    .addCommand(layerDeriveVerb())
    .addCommand(layerSuggestVerb())
    .addCommand(layerSimilarityVerb());
}
