/** What must always hold and did not. */
export class Violations {
  readonly found: string[] = [];

  note(rule: string, what: string): void {
    this.found.push(`${rule}: ${what}`);
  }
}
