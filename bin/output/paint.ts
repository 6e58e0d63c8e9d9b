import pc from 'picocolors';

/** Colours for one stream: only on a terminal that has them, never with NO_COLOR, always with FORCE_COLOR. */
function paintFor(stream: { readonly isTTY?: boolean }): ReturnType<typeof pc.createColors> {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return pc.createColors(false);
  return pc.createColors(Boolean(FORCE_COLOR) || (stream.isTTY === true && TERM !== 'dumb'));
}

/** What goes to stdout: data. */
export const paint = paintFor(process.stdout);
/** What goes to stderr: progress, messages. */
export const paintMessage = paintFor(process.stderr);
