/** Kinds of requests that are counted apart: taking runs, other changes, reading, opening streams. */
export type RateLimit = 'submits' | 'writes' | 'reads' | 'streams';
