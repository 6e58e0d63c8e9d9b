import { answerEmpty, type Call } from './call.ts';
import { S3Error } from './errors.ts';

/** CreateBucket of a bucket that there is. Buckets come from the stack, so that there is never anything to make. */
export async function createBucket({ request, res, region }: Call): Promise<void> {
  if (region !== 'us-east-1')
    throw new S3Error('BucketAlreadyOwnedByYou', undefined, { details: { BucketName: request.bucket } });
  answerEmpty(res, 200, { location: `/${request.bucket}` });
}

/** HeadBucket. */
export async function headBucket({ res, region }: Call): Promise<void> {
  answerEmpty(res, 200, { 'x-amz-bucket-region': region });
}
