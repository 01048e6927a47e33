import { join } from 'node:path';
import ts from 'typescript';
import { TERMINAL_EVENTS } from '../../src/contracts/event';
import { readDocument, rowsOf } from '../support/documents';

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

/** Frames of server-sent events that are no events, with their members, as `src/api/stream/sse.ts` writes them. */
function framesWithoutNumber(): Record<string, string[]> {
  const written = readDocument('src/api/stream/sse.ts').matchAll(/frame\('(stream\.\w+)', \{ ([^}]*) \}\)/g);
  return Object.fromEntries(
    [...written].map(([, type, members]) => [
      type,
      members!.split(', ').map((one) => one.replace(/:.*/, '')),
    ]),
  );
}

const quotedIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

describe('docs/reference/events.md', () => {
  const text = readDocument('docs/reference/events.md');

  test('lists the events of the catalogue with their fields, and no others', () => {
    const documented = rowsOf(text, 'Types').map(([type = '', fields = '']) => [
      type.replaceAll('`', ''),
      quotedIn(fields).sort(),
    ]);
    expect(Object.fromEntries(documented)).toEqual(catalogue());
    expect(documented).toHaveLength(Object.keys(catalogue()).length);
  });

  test('lists the frames without a number with their members, and no others', () => {
    const documented = rowsOf(text, 'Frames without a number').map(
      ([sse = '', socket = '', members = '']) => [
        sse.replaceAll('`', ''),
        quotedIn(socket),
        quotedIn(members),
      ],
    );
    // WebSockets have the same ones without the word `stream`; what else these carry is held by their own reference.
    const written = Object.entries(framesWithoutNumber()).map(([type, members]) => [
      type,
      [type.slice(7)],
      members,
    ]);
    expect(documented.sort()).toEqual(written.sort());
    expect(written).toHaveLength(3);
  });

  test('names the four ends', () => {
    const [sentence] = /^Each attempt of a run has at most one of the four ends[^:]*:.*$/m.exec(text)!;
    expect([...sentence.matchAll(/`([^`]+)`/g)].map(([, type]) => type)).toEqual([...TERMINAL_EVENTS]);
  });
});
