import type { Reply } from '../simulator.js';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (char) => ENTITIES[char] ?? char);

/** The texts of every element of a name, in order. */
export function elements(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) =>
    text
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replace(/&quot;|&#34;|&#x22;/gi, '"')
      .replaceAll('&apos;', "'")
      .replaceAll('&amp;', '&'),
  );
}

export function xmlReply(name: string, content: string, status = 200): Reply {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<${name}>${content}</${name}>`;
  return { status, body: Buffer.from(body), headers: { 'content-type': 'application/xml' } };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
export const refusal = (status: number, code: string, message = code): Reply =>
  xmlReply('Error', `<Code>${code}</Code><Message>${escapeXml(message)}</Message>`, status);
