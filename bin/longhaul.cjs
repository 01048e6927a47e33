#!/usr/bin/env node
// The command line. The sources are TypeScript: tsx strips the types as they are loaded.
require('tsx/cjs');
require('../src/cli/main.ts');
