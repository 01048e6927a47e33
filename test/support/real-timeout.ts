/**
 * Longest time of one test with real servers, milliseconds: a started worker, a killed process, a restart. Set here because
 * Jest 30 ignores `testTimeout` of a project and takes only that of the whole configuration.
 */
const REAL_TIMEOUT_MS = 60_000;

jest.setTimeout(REAL_TIMEOUT_MS);
