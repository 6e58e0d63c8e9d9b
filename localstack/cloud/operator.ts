import { join } from 'node:path';
import * as z from 'zod';
import type { AccessKey, KeyStore } from '../identity/keys.ts';
import { readState, writeState } from './state-file.ts';

const keysFile = z.object({
  operator: z.object({
    accessKeyId: z.string(),
    secretAccessKey: z.string(),
    arn: z.string(),
    account: z.string(),
  }),
});

/** The key of whoever runs the cloud: made at the first start, kept in `keys.json`, so that clients outlive a restart. */
export function operatorKey(dataDir: string, account: string, keys: KeyStore): AccessKey {
  const path = join(dataDir, 'keys.json');
  const known = readState(path, keysFile)?.operator;
  if (known !== undefined && known.account === account) {
    keys.add(known);
    return known;
  }
  const operator = keys.issue({ arn: `arn:aws:iam::${account}:user/operator` });
  writeState(path, { operator });
  return operator;
}
