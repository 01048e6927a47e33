import { builtInTools } from '../../../src/tools/built-in';
import { createRegistry } from '../../../src/tools/registry';
import type { PureTool } from '../../../src/tools/tool';
import { compareVersions, isVersion } from '../../../src/tools/version';

function tool(name: string, version: string): PureTool {
  return {
    name,
    version,
    description: `${name} ${version}`,
    effect: 'pure',
    lane: 'tools',
    input_schema: { type: 'object' },
    timeout_s: 1,
    max_attempts: 1,
    call: async () => null,
  };
}

describe('the registry of tools', () => {
  const registry = createRegistry([
    tool('b', '1.10.0'),
    tool('a', '1.0.0'),
    tool('b', '1.9.0'),
    tool('b', '2.0.0-rc.1'),
    tool('b', '1.10.0-rc.1'),
  ]);

  test('gives the newest version when none is named', () => {
    expect(registry.get('b')?.version).toBe('2.0.0-rc.1');
    expect(createRegistry([tool('b', '1.9.0'), tool('b', '1.10.0')]).get('b')?.version).toBe('1.10.0');
  });

  test('gives the version that is named, and no other', () => {
    expect(registry.get('b', '1.9.0')?.version).toBe('1.9.0');
    expect(registry.get('b', '1.8.0')).toBeUndefined();
  });

  test.each(['c', 'constructor', '__proto__', ''])('has no tool %j', (name) => {
    expect(registry.get(name)).toBeUndefined();
    expect(registry.catalogue.find(name)).toBeUndefined();
    expect(registry.catalogue.versions(name)).toEqual([]);
  });

  test('shows the newest card of each tool, without its code', () => {
    const { call, ...card } = tool('a', '1.0.0');
    expect(call).toBeDefined();
    expect(registry.cards()).toEqual([expect.objectContaining({ name: 'b', version: '2.0.0-rc.1' }), card]);
  });

  test('has a catalogue of cards and versions, newest first', () => {
    expect(registry.catalogue.names()).toEqual(['b', 'a']);
    expect(registry.catalogue.versions('b')).toEqual(['2.0.0-rc.1', '1.10.0', '1.10.0-rc.1', '1.9.0']);
    expect(registry.catalogue.find('b', '1.9.0')).toEqual(expect.objectContaining({ version: '1.9.0' }));
    expect(registry.catalogue.find('b', '1.9.0')).not.toHaveProperty('call');
  });

  test('refuses a tool that is there already', () => {
    expect(() => createRegistry([tool('a', '1.0.0'), tool('a', '1.0.0')])).toThrow(
      'a 1.0.0 is registered twice',
    );
  });

  test('refuses a version that is none', () => {
    expect(() => createRegistry([tool('a', '1.0')])).toThrow('has the version "1.0"');
  });

  test('holds the built-in tools, all of them instant', () => {
    const cards = createRegistry(builtInTools()).cards();
    expect(cards.map(({ name }) => name)).toEqual([
      'calculator',
      'todo.add',
      'todo.list',
      'todo.complete',
      'todo.remove',
    ]);
    expect(new Set(cards.map(({ lane }) => lane))).toEqual(new Set(['instant']));
  });
});

describe('versions of tools', () => {
  // The order that semver.org gives as its example, section 11.
  const ordered = [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.1',
    '1.1.0',
    '1.9.0',
    '1.10.0',
    '2.0.0',
    '10.0.0',
  ];

  test('come in the order of semver', () => {
    expect([...ordered].reverse().sort(compareVersions)).toEqual(ordered);
    for (const version of ordered) expect(compareVersions(version, version)).toBe(0);
  });

  test.each(['1', '1.0', '01.0.0', '1.0.0+build', 'v1.0.0', '1.0.0-', '1.0.0-01', '', 'latest'])(
    'are not %j',
    (text) => {
      expect(isVersion(text)).toBe(false);
    },
  );
});
