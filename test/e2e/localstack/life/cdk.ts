import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const CDK = path.resolve(import.meta.dirname, '../../../../localstack/cdk.sh');
const NEXT_VERSION = path.join(import.meta.dirname, 'next-version.ts');
/** As long as all of CI's job may take: it ends what hangs. */
export const CDK_MS_MAX = 300_000;

/** Runs the CDK's own command with the next version of the app. */
export async function cdk(...words: readonly string[]): Promise<void> {
  const app = ['--app', `node ${NEXT_VERSION}`];
  await promisify(execFile)(CDK, [...words, ...app], { timeout: CDK_MS_MAX, maxBuffer: 16 * 1024 * 1024 });
}
