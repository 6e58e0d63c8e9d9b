/** A copy of a record as a database gives it back: a value of its own, without fields that are undefined. */
export function plain<T>(record: T): T {
  return JSON.parse(JSON.stringify(record)) as T;
}
