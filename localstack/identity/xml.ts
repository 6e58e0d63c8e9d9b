/** One XML element: an array holds markup made by `xml`, anything else is text to be escaped. */
export function xml(name: string, content: readonly string[] | string | number | boolean, namespace?: string): string {
  const attributes = namespace === undefined ? '' : ` xmlns="${namespace}"`;
  const inner = Array.isArray(content) ? content.join('') : escapeXml(String(content));
  return `<${name}${attributes}>${inner}</${name}>`;
}

/** A whole document. */
export function xmlDocument(root: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}`;
}

const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Control characters become references, as S3 writes them, though XML 1.0 has no place for most. */
function escapeXml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
  return text.replace(/[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g, (char) => NAMED[char] ?? reference(char));
}

function reference(char: string): string {
  return `&#x${char.charCodeAt(0).toString(16)};`;
}
