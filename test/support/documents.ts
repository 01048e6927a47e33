import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A document of the project, by its path from the root. */
export function readDocument(path: string): string {
  return readFileSync(join(__dirname, '../..', path), 'utf8');
}

/** The commands of its `sh` blocks, one a line, in order. */
export function commandsIn(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, text = '']) => text);
  return blocks
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
}
