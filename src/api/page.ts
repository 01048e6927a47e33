/** A page for people, with nothing in it that the strict policy of the API would have to be loosened for: no style, no script. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${text(title)} · Longhaul</title></head>
<body>
<h1>${text(title)}</h1>
${body}
</body>
</html>
`;
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A text as HTML shows it. */
export function text(plain: string): string {
  return plain.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** A sentence as HTML shows it, in which what stands between backticks is code. */
export function prose(plain: string): string {
  return text(plain).replace(/`([^`]+)`/g, '<code>$1</code>');
}
