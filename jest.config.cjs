// Two projects: `unit` needs nothing but Node; `real` runs against a Postgres and a Temporal server that its global set-up
// starts once. A leaked handle must fail the run: nothing here forces an exit, so Jest would wait for it without end, and
// scripts/run-jest.cjs ends a Jest that is still there after its last test, as failed.

/** TypeScript is only stripped here; `npm run types` checks it. */
const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'commonjs' },
      sourceMaps: 'inline',
    },
  ],
};

/** @param {string} name @param {string[]} folders folders under test/ */
const project = (name, folders) => ({
  displayName: name,
  testEnvironment: 'node',
  testMatch: folders.map((folder) => `<rootDir>/test/${folder}/**/*.test.ts`),
  transform,
  // Builds and data folders hold copies of package.json and of bundles; Jest must not index them.
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.longhaul/'],
  restoreMocks: true,
});

module.exports = {
  // Of one test, milliseconds: it is there for what hangs, so that a busy machine, on which a reply of 20,000 pieces takes five
  // times as long as it should, fails nothing. For `real`, test/support/time-limit.ts says more.
  testTimeout: 60_000,
  projects: [
    project('unit', ['unit', 'replay']),
    {
      ...project('real', ['api', 'activities', 'contract', 'workflows', 'system']),
      setupFilesAfterEnv: ['<rootDir>/test/support/time-limit.ts'],
      globalSetup: '<rootDir>/test/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/support/global-teardown.ts',
    },
  ],
};
