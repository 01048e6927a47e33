/** Text of others as a terminal may show it: whatever could steer it is taken out, lines and tabs stay. */
export function plain(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '');
}
