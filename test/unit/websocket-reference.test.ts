import ts from 'typescript';
import { STREAM_LIMITS } from '../../src/api/stream/limits';
import { frameIn } from '../../src/api/stream/ws-frames';
import { readDocument, rowsOf, sessionIn } from '../support/documents';

const REFERENCE = 'docs/reference/websocket.md';
const text = readDocument(REFERENCE);
/** Closes that `ws` makes by itself, with the codes of the protocol that the document lists. */
const CLOSED_BY_WS = ['1009'];

/** A source file of the streams. */
const sourceOf = (name: string) =>
  ts.createSourceFile(name, readDocument(`src/api/stream/${name}`), ts.ScriptTarget.ES2022, true);
const session = sourceOf('ws-session.ts');
const subscriptions = sourceOf('ws-subscriptions.ts');
const wire = sourceOf('ws-frames.ts');
const server = sourceOf('websocket.ts');

/** Every node below another one that is of a kind. */
function allOf<T extends ts.Node>(root: ts.Node, isOne: (node: ts.Node) => node is T): T[] {
  const found: T[] = [];
  const visit = (node: ts.Node): void => {
    if (isOne(node)) found.push(node);
    node.forEachChild(visit);
  };
  visit(root);
  return found;
}

function declarationOf(root: ts.Node, name: string): ts.Node {
  return allOf(root, ts.isVariableDeclaration).find((one) => one.name.getText() === name)!.initializer!;
}

/** Members of the frames that clients send, by type, as the schema has them; `?` where one may be absent. */
function clientFrames(): Record<string, string[]> {
  const schema = declarationOf(wire, 'ClientFrame') as ts.CallExpression;
  const forms = (schema.arguments[1] as ts.ArrayLiteralExpression)
    .elements as ts.NodeArray<ts.CallExpression>;
  return Object.fromEntries(
    forms.map((form) => {
      const members = (form.arguments[0] as ts.ObjectLiteralExpression)
        .properties as ts.NodeArray<ts.PropertyAssignment>;
      const [type, ...rest] = members.map((member) => [member.name.getText(), member.initializer.getText()]);
      const names = rest.map(([name, what]) => (what!.endsWith('.optional()') ? `${name}?` : name!));
      return [/'(\w+)'/.exec(type![1]!)![1]!, names.sort()];
    }),
  );
}

/** Types of the frames that the server makes: objects whose `type` is a text, and the one that is put together as text. */
function serverFrames(): string[] {
  const made = [session, subscriptions, wire].flatMap((source) => allOf(source, ts.isPropertyAssignment));
  const types = made.flatMap(({ name, initializer }) =>
    name.getText() === 'type' && ts.isStringLiteral(initializer) ? [initializer.text] : [],
  );
  const asText = [...wire.text.matchAll(/\{"type":"(\w+)"/g)].map(([, type]) => type!);
  return [...new Set([...types, ...asText])].sort();
}

/** Codes that sockets are closed with: first arguments of `close`, and what refusals become. */
function closeCodes(): string[] {
  const closes = [session, server]
    .flatMap((source) => allOf(source, ts.isCallExpression))
    .filter(({ expression }) => ts.isPropertyAccessExpression(expression) && expression.name.text === 'close')
    .flatMap(({ arguments: [code] }) => (code !== undefined && ts.isNumericLiteral(code) ? [code.text] : []));
  const codeOf = allOf(session, ts.isFunctionDeclaration).find(({ name }) => name?.text === 'closeCodeOf')!;
  const refusals = allOf(codeOf, ts.isReturnStatement).map(({ expression }) => expression!.getText());
  return [...new Set([...closes, ...refusals, ...CLOSED_BY_WS])].sort();
}

/** Members of each frame of a table. */
const membersIn = (heading: string) =>
  Object.fromEntries(
    rowsOf(text, heading).map(([frame = '', members = '']) => [
      frame.replaceAll('`', ''),
      [...members.matchAll(/`([^`]+)`/g)].map(([, name]) => name!).sort(),
    ]),
  );

/** What one side sends in the session that is shown. */
const framesOf = (side: '→' | '←') =>
  sessionIn(text).flatMap((one) => (one.side === side ? [one.frame] : []));

describe(REFERENCE, () => {
  test('lists the frames of the client with their members, and no others', () => {
    expect(membersIn('Frames of the client')).toEqual(clientFrames());
  });

  test('lists the frames of the server, and no others', () => {
    expect(Object.keys(membersIn('Frames of the server')).sort()).toEqual(serverFrames());
  });

  test('lists the close codes, and no others', () => {
    const listed = rowsOf(text, 'Close codes').map(([code = '']) => code.replaceAll('`', ''));
    expect(listed).toEqual(closeCodes());
  });

  test('lists what the addresses take in their queries', () => {
    const of = (root: ts.Node, name: string) =>
      allOf(declarationOf(root, name), ts.isObjectLiteralExpression)[0]!.properties.flatMap((one) =>
        ts.isPropertyAssignment(one) ? [one.name.getText()] : [],
      );
    const both = of(session, 'common');
    const one_run = [...both, ...of(session, 'OneQuery'), ...of(sourceOf('filter.ts'), 'filterFields')];
    const [table = ''] = /^\| address[^]*?\n\n/m.exec(text)!;
    const cells = [...table.matchAll(/^\| `GET.*\| (.*?) +\|$/gm)].map(([, names]) =>
      names!.replaceAll('`', ''),
    );
    expect(cells.map((names) => names.split(', ').sort())).toEqual([one_run.sort(), both.sort()]);
  });

  test('has frames of the client that the server takes', () => {
    const refused = framesOf('→').filter((frame) => frameIn(Buffer.from(frame), false) === null);
    expect(refused).toEqual([]);
  });

  test('shows every frame of both sides at work', () => {
    const typesOf = (frames: string[]) => [
      ...new Set(frames.map((frame) => (JSON.parse(frame) as { type: string }).type)),
    ];
    expect(typesOf(framesOf('→')).sort()).toEqual(Object.keys(clientFrames()).sort());
    expect(typesOf(framesOf('←')).sort()).toEqual(serverFrames());
  });

  test('names the limits that hold', () => {
    const number = (source: ts.SourceFile, name: string) =>
      Number(declarationOf(source, name).getText().replaceAll('_', ''));
    const rate = sourceOf('frame-rate.ts');
    const limits = rowsOf(text, 'Limits').map(([, limit = '']) =>
      Number(/^[\d,]+/.exec(limit)![0].replaceAll(',', '')),
    );
    expect(limits).toEqual([
      number(session, 'MAX_SUBS'),
      STREAM_LIMITS.per_key,
      number(session, 'MAX_WINDOW'),
      number(server, 'MAX_FRAME'),
      number(rate, 'BURST'),
      number(rate, 'PER_SECOND'),
      number(rate, 'WARNINGS'),
      number(session, 'MAX_WAITING'),
      number(sourceOf('outflow.ts'), 'FULL_BYTES'),
      STREAM_LIMITS.patience_ms / 1_000,
      STREAM_LIMITS.heartbeat_ms / 1_000,
      STREAM_LIMITS.auth_within_ms / 1_000,
    ]);
  });
});
