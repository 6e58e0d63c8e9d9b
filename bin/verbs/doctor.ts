import path from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import { examine } from '../doctor/checks.ts';
import { EXIT } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

const MARK = { good: pc.green('✓'), lacking: pc.yellow('–'), unsafe: pc.red('✗') };

async function run(options: { images?: string; cloud?: string; json?: boolean }): Promise<void> {
  const { images, cloud } = options;
  const findings = await examine({
    ...(images === undefined ? {} : { images: path.resolve(images) }),
    ...(cloud === undefined ? {} : { cloud }),
  });
  for (const finding of findings) {
    if (options.json) jsonLine('finding', { ...finding });
    else {
      process.stdout.write(`${MARK[finding.verdict]} ${finding.what}: ${finding.detail}\n`);
      if (finding.hint !== undefined) process.stdout.write(`  ${pc.cyan('hint:')} ${finding.hint}\n`);
    }
  }
  if (findings.some((finding) => finding.verdict !== 'good')) process.exitCode = EXIT.failed;
}

export function doctorVerb(): Command {
  return verb(
    'doctor',
    'Say what this host lacks, what is unsafe on it, and how to mend it.',
    'layermover doctor --images /srv/images',
  )
    .option('--images <dir>', 'the image folder an agent would serve')
    .option(...CLOUD_OPTION)
    .action(run);
}
