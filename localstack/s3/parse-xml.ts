import { S3Error } from './errors.ts';
import { S3_LIMITS } from './limits.ts';

export interface XmlElement {
  readonly name: string;
  readonly children: XmlElement[];
  /** The character data directly inside. */
  text: string;
}

const TOKEN =
  /<\?xml [^<>]*\?>|<(?<close>\/?)(?<name>[A-Za-z][\w.-]*)(?:\s+[\w:.-]+="[^"<]*")*\s*(?<empty>\/?)>|(?<text>[^<]+)/y;
const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/**
 * The XML that S3 request bodies are made of: elements, attributes (dropped), text. Anything more (DOCTYPE, CDATA,
 * comments) is refused. Throws MalformedXML.
 */
export function parseXml(source: string): XmlElement {
  const document: XmlElement = { name: '', children: [], text: '' };
  const open = [document];
  for (const { close, name, empty, text } of tokens(source)) {
    const parent = open.at(-1);
    if (parent === undefined) throw new S3Error('MalformedXML');
    if (name === undefined) parent.text += unescapeXml(text ?? '');
    else if (close) closeElement(open, name);
    else openElement(open, parent, name, empty === '/');
  }
  const [root, ...others] = document.children;
  if (root === undefined || others.length > 0 || open.length !== 1 || document.text.trim() !== '') {
    throw new S3Error('MalformedXML');
  }
  return root;
}

/** The text of the one child of that name; undefined if there is none. Throws MalformedXML if there are several. */
export function childText({ children }: XmlElement, name: string): string | undefined {
  const [child, ...others] = children.filter((element) => element.name === name);
  if (others.length > 0) throw new S3Error('MalformedXML');
  return child?.text;
}

function* tokens(source: string) {
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < source.length) {
    const match = pattern.exec(source);
    if (match === null) throw new S3Error('MalformedXML');
    yield match.groups ?? {};
  }
}

function openElement(open: XmlElement[], parent: XmlElement, name: string, isEmpty: boolean): void {
  const element = { name, children: [], text: '' };
  parent.children.push(element);
  if (!isEmpty) open.push(element);
  if (open.length > S3_LIMITS.maxXmlDepth) throw new S3Error('MalformedXML');
}

function closeElement(open: XmlElement[], name: string): void {
  if (open.length < 2 || open.pop()?.name !== name) throw new S3Error('MalformedXML');
}

function unescapeXml(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));|&/g, (_, decimal, hex, name) => {
    if (name !== undefined && NAMED[name] !== undefined) return NAMED[name];
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex, 16);
    if (!(code <= 0x10ffff)) throw new S3Error('MalformedXML');
    return String.fromCodePoint(code);
  });
}
