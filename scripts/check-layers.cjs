// Checks who imports whom under src/ (the table is layers.config.cjs). Exits with 1 when a rule is broken, and also when the
// check itself saw too little to be believed: dependency-cruiser passes with no modules when it cannot read TypeScript.

const { spawnSync } = require('node:child_process');
const { readdirSync } = require('node:fs');
const { join, relative } = require('node:path');
const { folders, extra } = require('../layers.config.cjs');

const root = join(__dirname, '..');

/** Size of the report at most, bytes. */
const MAX_REPORT = 100_000_000;

/** Packages that the sandbox of workflows must never load, by whatever way: they would end up in its bundle. */
const NOT_IN_THE_BUNDLE = /node_modules\/(zod|ajv|pg|ulid)\//;

const print = (line) => process.stdout.write(`${line}\n`);

function cruise() {
  const bin = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [bin, 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: MAX_REPORT,
  });
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`dependency-cruiser gave no report: ${stderr || stdout.slice(0, 1_000)}`);
  }
}

/** Every .ts file under src/, as dependency-cruiser names them. */
function sources() {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Files in a folder that has no row in the table: no rule holds for them. */
function withoutRow(files) {
  return files
    .filter(
      (file) => !(file.split('/')[1] in folders) && !(file.slice('src/'.length, -'.ts'.length) in extra),
    )
    .map((file) => `${file}: its folder has no row in layers.config.cjs`);
}

/** Ways by which values lead from the workflows to a package that must not reach their bundle. */
function waysOutOfTheSandbox(modules) {
  const bySource = new Map(modules.map((module) => [module.source, module]));
  const found = [];
  const seen = new Set();
  const walk = (source, way) => {
    if (NOT_IN_THE_BUNDLE.test(source)) found.push(`${way.join(' → ')}: reaches the workflow bundle`);
    if (seen.has(source) || source.includes('node_modules')) return;
    seen.add(source);
    for (const { resolved, dependencyTypes } of bySource.get(source)?.dependencies ?? []) {
      if (!dependencyTypes.includes('type-only')) walk(resolved, [...way, resolved]);
    }
  };
  for (const { source } of modules) if (source.startsWith('src/workflows/')) walk(source, [source]);
  return found;
}

const { modules, summary } = cruise();
const files = sources();
const seen = new Set(modules.map(({ source }) => source));
const comments = new Map(summary.ruleSetUsed.forbidden.map(({ name, comment }) => [name, comment]));
const problems = [
  ...files.filter((file) => !seen.has(file)).map((file) => `${file}: dependency-cruiser did not see it`),
  ...withoutRow(files),
  ...summary.violations.map(({ rule, from, to, cycle }) => {
    const way = cycle ? cycle.map(({ name }) => name).join(' → ') : to;
    return `${from} → ${way}: ${rule.name}. ${comments.get(rule.name) ?? ''}`;
  }),
  ...waysOutOfTheSandbox(modules),
];
if (files.length === 0) problems.push('src/ holds no .ts file: nothing was checked');

for (const problem of problems) print(problem);
print(
  `layers: ${files.length} files, ${summary.totalDependenciesCruised} imports, ${problems.length} problems`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
