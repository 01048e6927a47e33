/** One Ctrl-C may arrive twice: from the terminal, and passed on by npm. A person's second one comes later. Milliseconds. */
const SAME_KEYSTROKE_MS = 400;

/** Exit code of what was ended by Ctrl-C. */
export const INTERRUPTED = 130;

/**
 * On the first SIGINT, SIGTERM or SIGHUP calls `first`; on a second one `second`, and exits at once with code 130.
 * The signals stay caught for the life of the process.
 */
export function onSignals(first: () => void, second: () => void): void {
  let since: number | undefined;
  const hear = () => {
    const now = performance.now();
    if (since === undefined) {
      since = now;
      first();
    } else if (now - since > SAME_KEYSTROKE_MS) {
      second();
      process.exit(INTERRUPTED);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, hear);
}
