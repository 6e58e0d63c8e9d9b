import { startS3 } from './s3-fixture.ts';

/** An S3 in a process of its own, to be killed: `node s3-process.ts DIR` tells its parent where it listens. */
const { port, root } = await startS3(process.argv[2]);
process.send?.({ port, root });
