/** A start that whoever runs it can mend: the message says what to do, and no stack is needed. */
export class CannotStart extends Error {
  override readonly name: string = 'CannotStart';
}
