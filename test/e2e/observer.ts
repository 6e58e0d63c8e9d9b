import { existsSync } from 'node:fs';
import path from 'node:path';
import { FolderObserver } from './observe-folder.ts';
import { QueueObserver } from './observe-queues.ts';
import type { Observer } from './observed.ts';
import type { Stage } from './stage.ts';

/** An embedded cloud tells by files in its folder, every other one by queues. */
export async function observe({ cloud, cloudFolder }: Stage): Promise<Observer> {
  const isEmbedded = existsSync(path.join(cloudFolder, 'queues'));
  return isEmbedded ? new FolderObserver(cloudFolder, cloud.namespace) : await QueueObserver.open(cloud);
}
