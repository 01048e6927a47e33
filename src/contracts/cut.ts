/** A text of at most `most` characters; a cut one ends in an ellipsis, and in the middle of no character and no escape of a pointer. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 1).replace(/[~\ud800-\udbff]$/, '')}…`;
}
