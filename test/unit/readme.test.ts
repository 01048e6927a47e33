import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');

/** Commands of every ```sh block, one a line; comments and blank lines left out. */
function commandsOf(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, text = '']) => text);
  return blocks
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

describe('the README', () => {
  const commands = commandsOf(readFileSync(join(root, 'README.md'), 'utf8'));
  const ci = readFileSync(join(root, '.ci/run'), 'utf8');
  const steps = [...ci.matchAll(/^step \S+ (.+)$/gm)].map(([, command]) => command);

  test('shows how to see it work and how to check it', () => {
    expect(commands).toEqual(expect.arrayContaining(['npm run demo', 'npm run check']));
  });

  test('shows no command that CI does not run, in the order of CI', () => {
    expect(steps.filter((step) => commands.includes(step ?? ''))).toEqual(commands);
  });
});
