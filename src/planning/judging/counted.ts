/** What one list has more often than the other, by equal texts. */
export function missingFrom(wanted: readonly string[], there: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const text of there) counts.set(text, (counts.get(text) ?? 0) + 1);
  return wanted.filter((text) => {
    const left = counts.get(text) ?? 0;
    counts.set(text, left - 1);
    return left <= 0;
  });
}
