import { createGrantedObjectStore } from '../adapters/aws/object-store.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { systemRandom } from '../adapters/system/random.ts';
import { startAgent } from '../agent/agent.ts';
import { readLauncher } from '../agent/launch/read-launcher.ts';
import { clientOf, readCloudFile } from '../bin/connection.ts';
import { collectSeldom } from '../bin/engine.ts';
import { agentLog } from '../bin/output/agent-log.ts';

// An agent as `layermover agent` runs it, but that its object store, too, is reached through the link that its cloud file
// names: the embedded cloud grants its own address. Arguments: site, image folder, state folder, cloud file, and a launcher file
// if running VMs arrive.

collectSeldom('bounded');
const [site, imageFolder, stateFolder, cloudFile] = process.argv.slice(2) as [string, string, string, string];
const launcherFile = process.argv[6];
const cloud = await readCloudFile(cloudFile);
const agent = await startAgent({
  site,
  host: 'h1',
  imageFolder,
  stateFolder,
  api: clientOf(cloud),
  namespace: cloud.namespace,
  clock: systemClock,
  random: systemRandom,
  objectStore: ({ renew, ...options }) =>
    createGrantedObjectStore({
      ...options,
      renew: async () => ({ ...(await renew()), endpoint: new URL(cloud.api_url).origin }),
    }),
  log: agentLog(`${site}/h1`, true),
  ...(launcherFile === undefined ? {} : { launcher: await readLauncher(launcherFile, 'unix') }),
});
process.once('SIGTERM', () => void agent.stop().then(() => process.exit(0)));
process.send!('ready');
