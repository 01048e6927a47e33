/**
 * Where a worker may be told to kill itself, for tests that prove what happens then: before a tool is called, after it was called and
 * before anything of it is stored, after its outcome is stored and before Temporal hears of it.
 */
export const CRASH_POINTS = ['before_tool', 'after_tool', 'after_checkpoint'] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];
