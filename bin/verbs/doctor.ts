import path from 'node:path';
import type { Command } from 'commander';
import { hostRef } from '../../core/api/names.ts';
import { examine } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { EXIT, usage } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { paint } from '../output/paint.ts';
import { visible } from '../output/visible.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options {
  images?: string;
  state?: string;
  host?: string;
  cloud?: string;
  json?: boolean;
}

const MARK = { good: paint.green('✓'), note: paint.dim('·'), lacking: paint.yellow('–'), unsafe: paint.red('✗') };

function tell({ what, verdict, detail, hint }: Finding): void {
  const word = verdict === 'lacking' || verdict === 'unsafe' ? ` ${verdict}:` : '';
  process.stdout.write(`${MARK[verdict]} ${what}:${word} ${visible(detail)}\n`);
  if (hint !== undefined) process.stdout.write(`  ${paint.cyan('hint:')} ${visible(hint)}\n`);
}

async function run(options: Options): Promise<void> {
  const host = options.host === undefined ? undefined : hostRef.safeParse(options.host);
  if (host?.success === false)
    throw usage(`--host ${options.host} is not SITE/HOST`, 'for instance --host site-b/host-7');
  const absolute = (folder: string | undefined) => (folder === undefined ? undefined : path.resolve(folder));
  const findings = await examine({
    images: absolute(options.images),
    state: absolute(options.state),
    host: host?.data,
    cloud: options.cloud,
  });
  for (const finding of findings) {
    if (options.json) jsonLine('finding', { ...finding });
    else tell(finding);
  }
  if (findings.some(({ verdict }) => verdict === 'lacking' || verdict === 'unsafe')) process.exitCode = EXIT.failed;
}

export function doctorVerb(): Command {
  return verb(
    'doctor',
    'Say what this host lacks, what is unsafe on it, and how to mend it. Exit code 1 if there is anything to mend.',
    'layermover doctor --images /srv/images --host site-b/host-7',
  )
    .option('--images <dir>', 'the image folder an agent would serve; a small file is made in it and removed')
    .option('--state <dir>', 'where the agent would keep its state (default: .layermover in the image folder)')
    .option('--host <site/host>', 'which host this is: compares free room with what is on its way here')
    .option(...CLOUD_OPTION)
    .action(run);
}
