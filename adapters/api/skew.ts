import { LayerMoverError } from '../../core/errors.ts';

/** How far the clock of whoever answered is ahead of this machine's, in milliseconds; undefined if it does not tell. */
export function skewOf(response: Response, nowMs: number): number | undefined {
  const theirsMs = Date.parse(response.headers.get('date') ?? '');
  return Number.isNaN(theirsMs) ? undefined : theirsMs - nowMs;
}

/** The credentials were refused, and this machine's clock is not the API's. */
export function clockSkewed(skewMs: number, cause: LayerMoverError): LayerMoverError {
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const message = `this machine’s clock is ${minutes} minutes ${skewMs < 0 ? 'ahead of' : 'behind'} the API’s`;
  return new LayerMoverError('CLOCK_SKEWED', message, {
    hint: 'set the clock of this machine, or of the one that runs the API; then check the credentials',
    data: { skewMs },
    cause,
  });
}
