import path from 'node:path';
import type { HostRef } from '../../core/api/names.ts';
import { examineCloud } from './cloud.ts';
import type { Finding } from './finding.ts';
import { examineFolders, examineRoom } from './folders.ts';
import { examineMachine } from './machine.ts';

export interface Patient {
  /** The image folder that an agent would serve. */
  readonly images?: string | undefined;
  /** Where it would keep its state, if not in the image folder. */
  readonly state?: string | undefined;
  /** As which host: compares the room with what is on its way there. */
  readonly host?: HostRef | undefined;
  readonly cloud?: string | undefined;
}

/** What this host lacks and what is unsafe on it. Each check looks at one thing and never throws. */
export async function examine({ images, state, host, cloud }: Patient): Promise<Finding[]> {
  const seen = examineCloud(cloud, host);
  const checks: readonly Promise<Finding | readonly Finding[]>[] = [
    ...examineMachine(),
    ...(images === undefined ? [] : examineFolders(images, state ?? path.join(images, '.layermover'))),
    ...(images === undefined ? [] : [seen.then(({ arriving }) => examineRoom(images, arriving))]),
    seen.then(({ findings }) => findings),
  ];
  return (await Promise.all(checks)).flat();
}
