/** Whether an API's BinaryMediaTypes hold a media type; `*` stands for a type or a subtype, parameters don't count. */
export function isBinary(binaryMediaTypes: readonly string[], mediaType: string | undefined): boolean {
  const [type, subtype] = essence(mediaType).split('/');
  return binaryMediaTypes.some((binary) => {
    const [wantedType, wantedSubtype] = essence(binary).split('/');
    return fits(wantedType, type) && fits(wantedSubtype, subtype);
  });
}

const fits = (wanted: string | undefined, given: string | undefined): boolean => wanted === '*' || wanted === given;

const essence = (mediaType: string | undefined): string => (mediaType ?? '').split(/[;,]/)[0]!.trim().toLowerCase();
