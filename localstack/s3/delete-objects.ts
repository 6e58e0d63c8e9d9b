import { xml } from '../identity/xml.ts';
import { RequestBody } from './body.ts';
import { answerEmpty, answerXml, type Call, may, S3_NAMESPACE } from './call.ts';
import { S3Error } from './errors.ts';
import { toByteString } from './layout.ts';
import { S3_LIMITS } from './limits.ts';
import { childText, parseXml } from './parse-xml.ts';
import { checkKey } from './request.ts';

/** DeleteObject: no error if there is no such object. */
export async function deleteObject({ request, res, bucket }: Call): Promise<void> {
  await bucket.objects.remove(request.keyBytes);
  answerEmpty(res, 204);
}

/** DeleteObjects: every key on its own, allowed or refused; the answer names each unless `Quiet`. */
export async function deleteObjects(call: Call): Promise<void> {
  const { keys, isQuiet } = parseDelete(await readXmlBody(call, true));
  const results = await Promise.all(keys.map((key) => deleteOne(call, key)));
  const shown = results.filter(({ isDeleted }) => !(isDeleted && isQuiet)).map(({ element }) => element);
  answerXml(call.res, xml('DeleteResult', shown, S3_NAMESPACE));
}

/** The text of an XML body. Throws InvalidRequest if it must carry a checksum and does not. */
export async function readXmlBody({ request, res }: Call, needsChecksum: boolean): Promise<string> {
  const body = await RequestBody.open(request, res, S3_LIMITS.maxXmlBytes);
  if (needsChecksum && !body.hasIntegrityCheck) {
    const message = 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*';
    throw new S3Error('InvalidRequest', message);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of body.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function parseDelete(source: string): { keys: string[]; isQuiet: boolean } {
  const root = parseXml(source);
  const objects = root.children.filter(({ name }) => name === 'Object');
  if (root.name !== 'Delete' || objects.length === 0 || objects.length > S3_LIMITS.maxDeleteKeys) {
    throw new S3Error('MalformedXML');
  }
  const keys = objects.map((object) => {
    const extra = object.children.find(({ name }) => name !== 'Key');
    if (extra !== undefined) throw new S3Error('NotImplemented', `${extra.name} in DeleteObjects is not implemented`);
    const key = childText(object, 'Key');
    if (!key) throw new S3Error('MalformedXML');
    checkKey(toByteString(key));
    return key;
  });
  return { keys, isQuiet: childText(root, 'Quiet') === 'true' };
}

async function deleteOne(call: Call, key: string): Promise<{ isDeleted: boolean; element: string }> {
  if (!may(call, 's3:DeleteObject', key)) {
    const error = [xml('Key', key), xml('Code', 'AccessDenied'), xml('Message', 'Access Denied')];
    return { isDeleted: false, element: xml('Error', error) };
  }
  await call.bucket.objects.remove(toByteString(key));
  return { isDeleted: true, element: xml('Deleted', [xml('Key', key)]) };
}
