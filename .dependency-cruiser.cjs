// Rules for dependency-cruiser, made from the table in layers.config.cjs. Change the table, not this file.

const { folders, extra } = require('./layers.config.cjs');

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

/** A folder of the table, or a single file. */
const pathOf = (name) => (name in folders ? `^src/${escaped(name)}/` : `^src/${escaped(name)}\\.ts$`);

/** A package, whether its types come with it or from DefinitelyTyped (`@types/express`, `@types/scope__name`). */
const packageOf = (name) => {
  const typed = name.replace(/^@/, '').replace('/', '__');
  return `(^|/)node_modules/(${escaped(name)}|@types/${escaped(typed)})/`;
};

/** Rules of one row: what is imported as a value, as a type, from npm, from Node. */
function rulesOf(name, from, own, { values, types = [], npm, node = true }) {
  const allowedValues = [own, ...values.map(pathOf)];
  const rule = (kind, comment, to) => ({ name: `${name}-${kind}`, severity: 'error', comment, from, to });
  const named = (list) => (list.length > 0 ? list.join(', ') : 'nothing');
  return [
    rule('values', `${name} may import values from: ${named(values)}.`, {
      path: '^src/',
      pathNot: allowedValues,
      dependencyTypesNot: ['type-only'],
    }),
    rule('types', `${name} may import types from: ${named([...values, ...types])}.`, {
      path: '^src/',
      pathNot: [...allowedValues, ...types.map(pathOf)],
      dependencyTypes: ['type-only'],
    }),
    rule('npm', `${name} may import these packages: ${named(npm)}.`, {
      path: '(^|/)node_modules/',
      ...(npm.length > 0 ? { pathNot: npm.map(packageOf) } : {}),
    }),
    ...(node ? [] : [rule('node', `${name} may import no Node module.`, { dependencyTypes: ['core'] })]),
  ];
}

const rowRules = Object.entries(folders).flatMap(([name, row]) => {
  const pathNot = Object.keys(extra).map(pathOf);
  return rulesOf(name, { path: pathOf(name), pathNot }, pathOf(name), row);
});

const fileRules = Object.entries(extra).flatMap(([name, more]) => {
  const row = folders[name.split('/')[0]];
  const values = [...(row?.values ?? []), ...more.values];
  const own = row ? pathOf(name.split('/')[0]) : pathOf(name);
  return rulesOf(name, { path: pathOf(name) }, own, {
    ...row,
    values,
    npm: [...(row?.npm ?? []), ...more.npm],
  });
});

module.exports = {
  forbidden: [
    ...rowRules,
    ...fileRules,
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Modules that need each other are one module. Move what both need to a third.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-import-of-a-main',
      severity: 'error',
      comment: 'A main.ts builds and starts on being loaded.',
      from: { pathNot: '^src/cli/(serve|worker|dev)\\.ts$' },
      to: { path: '^src/.*/main\\.ts$' },
    },
    {
      name: 'no-unresolved',
      severity: 'error',
      comment: 'An import that leads nowhere is seen by no other rule.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    // Type-only imports are seen too, and told apart.
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.cjs', '.mjs', '.json', '.d.ts'],
      exportsFields: ['exports'],
      conditionNames: ['node', 'require', 'default'],
    },
  },
};
