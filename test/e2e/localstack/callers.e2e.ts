import { afterAll, beforeAll, expect, it } from 'vitest';
import { Stage } from '../stage.ts';

/** LocalStack checks no signature and tells no ARN: the deployment takes the access key id for who calls. */
let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

it('a host is bound to the key that enrolled it', async () => {
  const caller = (accessKeyId: string) => stage.clientWith({ accessKeyId, secretAccessKey: 'any' });
  const params = { site: 'a', host: 'h1' };
  const enrol = { params, body: { version: '1', vms: [], free_bytes: 1, layers: [] } };
  await caller('host-a-h1').call('enrolHost', enrol);
  await caller('host-a-h1').call('enrolHost', enrol);
  await expect(caller('host-b-h2').call('enrolHost', enrol)).rejects.toMatchObject({ code: 'HOST_TAKEN' });
  const poll = { params, body: { instance: '0'.repeat(32), free_bytes: 1, running: [], following: [], awaiting: [] } };
  await expect(caller('host-b-h2').call('poll', poll)).rejects.toMatchObject({ code: 'CALLER_REFUSED' });
});
