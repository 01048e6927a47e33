import { commandLine } from '../../support/command-line';
import { readDocument } from '../../support/documents';

const cli = commandLine();
const REFERENCE = readDocument('docs/reference/command-line.md');

/** Sections of the reference by their commands, without their arguments. */
const sections = new Map(
  [...REFERENCE.matchAll(/^### `longhaul ([^`]*)`\n([^]*?)(?=^##|(?![^]))/gm)].map(
    ([, usage = '', text = '']) => [usage.replace(/ <\w+>/g, ''), text],
  ),
);
interface Described {
  command: string;
  options: string[];
}

/** Every command there is, with its long options, out of the help that is printed. */
async function commandsBelow(words: string[] = []): Promise<Described[]> {
  const { out } = await cli.longhaul([...words, '--help']);
  const [, commands] = /^Commands:\n([^]*?)(?=^\n|^Exit|(?![^]))/m.exec(out) ?? [];
  if (commands === undefined) {
    const options = [...out.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option = '']) => option);
    return [{ command: words.join(' '), options: options.filter((option) => option !== '--help') }];
  }
  const names = [...commands.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
  const below = names.filter((name) => name !== 'help').map((name) => commandsBelow([...words, name]));
  return (await Promise.all(below)).flat();
}

test('the reference has every command and no other', async () => {
  const commands = (await commandsBelow()).map(({ command }) => command);
  expect(commands.length).toBeGreaterThan(10);
  expect([...sections.keys()].sort()).toEqual(commands.sort());
});

test('it names every option of each', async () => {
  const missing = (await commandsBelow()).flatMap(({ command, options }) =>
    options
      .filter((option) => !(option === '--output' ? REFERENCE : sections.get(command)!).includes(option))
      .map((option) => `${command} ${option}`),
  );
  expect({ 'describe in docs/reference/command-line.md': missing }).toEqual({
    'describe in docs/reference/command-line.md': [],
  });
});

test('it gives every exit code', async () => {
  const { out } = await cli.longhaul(['--help']);
  const [, codes = ''] = /Exit codes: ([^]*)$/.exec(out)!;
  const given = [...codes.matchAll(/\b(\d+) /g)].map(([, code]) => code);
  const rows = [...REFERENCE.matchAll(/^\| (\d+) /gm)].map(([, code]) => code);
  expect(given.length).toBeGreaterThan(5);
  expect(rows.sort()).toEqual(given.sort());
});
