import { commandsIn, readDocument } from '../support/documents';

describe('the README', () => {
  const commands = commandsIn(readDocument('README.md'));
  const ci = readDocument('.ci/run');
  const steps = [...ci.matchAll(/^step \S+ (.+)$/gm)].map(([, command]) => command);

  test('shows how to see it work and how to check it', () => {
    expect(commands).toEqual(expect.arrayContaining(['npm run demo', 'npm run check']));
  });

  test('shows no command that CI does not run, in the order of CI', () => {
    expect(steps.filter((step) => commands.includes(step ?? ''))).toEqual(commands);
  });
});
