/**
 * Limit of one test against real servers, milliseconds. It is above every limit of a wait inside a test, so that what does not come
 * is named by the wait for it. Jest takes `testTimeout` for all projects alike only, so this is set for each file of `real`.
 */
const LIMIT_MS = 180_000;

jest.setTimeout(LIMIT_MS);
