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

/** The cells of the rows of the first table below a heading, without the table's head. */
export function rowsOf(markdown: string, heading: string): string[][] {
  const [, section = ''] = markdown.split(`\n## ${heading}\n`);
  const [table = ''] = /^\|[^]*?\n(?!\|)/m.exec(section) ?? [];
  const lines = table.split('\n').filter((line) => line !== '');
  return lines.slice(2).map((line) =>
    line
      .split(/ \| |^\| | \|$/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** One frame of a session that a document shows: `→` is sent by the client, `←` by the server. */
interface ShownFrame {
  side: '→' | '←';
  /** JSON as it is written there. */
  frame: string;
}

/** The session that a document shows, frame by frame. */
export function sessionIn(markdown: string): ShownFrame[] {
  return [...markdown.matchAll(/^([→←]) (\{.*\})$/gm)].map(([, side, frame]) => ({
    side: side as ShownFrame['side'],
    frame: frame!,
  }));
}
