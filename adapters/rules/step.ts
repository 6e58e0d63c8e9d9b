/** What a step says, and the record to store for it; nothing to store if `next` is absent. */
export interface Step<Record, Answer> {
  readonly answer: Answer;
  readonly next?: Record;
}
