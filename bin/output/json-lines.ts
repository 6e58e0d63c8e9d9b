/** One JSON line on stdout. Every line has a `message_type`; a reader ignores those it does not know. */
export function jsonLine(messageType: string, body: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ message_type: messageType, ...body })}\n`);
}
