/** Thrown inside the pattern planner where it would have to guess; `at` is the position in the goal. Never leaves it. */
export class NotUnderstood extends Error {
  constructor(
    readonly why: string,
    readonly at: number,
  ) {
    super(why);
    this.name = 'NotUnderstood';
  }
}
