import { join } from 'node:path';
import ts from 'typescript';
import { TERMINAL_EVENTS } from '../../src/contracts/event';
import { readDocument } from '../support/documents';

/** The fields of every event, by its type, as the compiler sees the catalogue; `?` where one may be absent. */
function catalogue(): Record<string, string[]> {
  const path = join(__dirname, '../../src/contracts/event.ts');
  const program = ts.createProgram([path], { strict: true, noEmit: true, skipLibCheck: true, types: [] });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path)!;
  const declared = source.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === 'EventData',
  )!;
  const fieldsOf = (type: ts.Type) =>
    checker
      .getPropertiesOfType(type)
      .map(({ name, flags }) => (flags & ts.SymbolFlags.Optional ? `${name}?` : name))
      .sort();
  const events = checker.getPropertiesOfType(checker.getTypeAtLocation(declared));
  return Object.fromEntries(
    events.map((event) => [event.name, fieldsOf(checker.getTypeOfSymbolAtLocation(event, declared))]),
  );
}

describe('docs/reference/events.md', () => {
  const text = readDocument('docs/reference/events.md');

  test('lists the events of the catalogue with their fields, and no others', () => {
    const rows = [...text.matchAll(/^\| `([a-z]+\.[a-z_]+)` *\| ([^|]*)\|/gm)];
    const documented = rows.map(([, type, fields]) => [
      type,
      [...fields!.matchAll(/`([^`]+)`/g)].map(([, name]) => name).sort(),
    ]);
    expect(Object.fromEntries(documented)).toEqual(catalogue());
    expect(documented).toHaveLength(Object.keys(catalogue()).length);
  });

  test('names the four ends', () => {
    const [sentence] = /^Each attempt of a run has at most one of the four ends[^:]*:.*$/m.exec(text)!;
    expect([...sentence.matchAll(/`([^`]+)`/g)].map(([, type]) => type)).toEqual([...TERMINAL_EVENTS]);
  });
});
