import { Command, CommanderError, Option } from 'commander';
import { EXIT, exitCodesHelp } from './exit-codes.ts';
import { failure } from './output/failure.ts';
import { jsonLine } from './output/json-lines.ts';
import { abortVerb } from './verbs/abort.ts';
import { agentVerb } from './verbs/agent.ts';
import { cloudVerb } from './verbs/cloud.ts';
import { demoVerb } from './verbs/demo.ts';
import { doctorVerb } from './verbs/doctor.ts';
import { gcVerb } from './verbs/gc.ts';
import { hostVerb } from './verbs/host.ts';
import { indexVerb } from './verbs/index-rebuild.ts';
import { layerVerb } from './verbs/layer/layer.ts';
import { listVerb } from './verbs/list.ts';
import { migrateVerb } from './verbs/migrate.ts';
import { planVerb } from './verbs/plan.ts';
import { receiptVerb } from './verbs/receipt.ts';
import { reclaimVerb } from './verbs/reclaim.ts';
import { reportVerb } from './verbs/report.ts';
import { resumeVerb } from './verbs/resume.ts';
import { statusVerb } from './verbs/status.ts';
import { verifyVerb } from './verbs/verify.ts';
import { vmVerb } from './verbs/vm.ts';
import { VERSION } from './version.ts';

const verbs = [
  cloudVerb,
  agentVerb,
  planVerb,
  migrateVerb,
  statusVerb,
  listVerb,
  resumeVerb,
  abortVerb,
  reclaimVerb,
  receiptVerb,
  verifyVerb,
  reportVerb,
  layerVerb,
  indexVerb,
  gcVerb,
  hostVerb,
  vmVerb,
  doctorVerb,
  demoVerb,
];

/** The whole command. */
export function program(): Command {
  const command = new Command('layermover')
    .description('Moves the storage of virtual machines between data centres that share none.')
    .version(VERSION)
    .addHelpText('after', `\nExample:\n  layermover migrate web-1 --to site-b/host-7\n${exitCodesHelp}`);
  for (const verb of verbs) command.addCommand(verb());
  for (const verb of leaves(command))
    verb.addOption(new Option('--json', 'JSON lines on stdout, each with a message_type (docs/COMMAND.md)'));
  for (const each of [command, ...command.commands, ...leaves(command)])
    each.exitOverride().showHelpAfterError('(--help tells more)');
  return command;
}

function leaves(command: Command): Command[] {
  return command.commands.flatMap((each) => (each.commands.length === 0 ? [each] : leaves(each)));
}

/** Whoever read our output has gone, or can take no more: there is nobody left to tell. */
function unheard(error: NodeJS.ErrnoException): never {
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed);
}

/** Runs one call of the command; sets the exit code and never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', unheard);
  try {
    await program().parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) failure(error, argv.includes('--json'));
    else if (error.exitCode === 0) process.exitCode = EXIT.done;
    else {
      process.exitCode = EXIT.usage;
      if (argv.includes('--json')) jsonLine('error', { error: { code: 'USAGE', message: error.message } });
    }
  }
}
