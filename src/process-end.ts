import { constants } from 'node:os';

/**
 * Resolves when somebody wants this process to stop: a signal, or a parent whose channel closed because it is gone. A second
 * signal ends it at once.
 */
export function stopRequest(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const hear = (signal: NodeJS.Signals) => {
      if (asked) process.exit(128 + constants.signals[signal]);
      asked = true;
      resolve();
    };
    process.on('SIGINT', hear).on('SIGTERM', hear);
    process.once('disconnect', () => resolve());
  });
}

/** From now on the process has this long to end in good order, milliseconds; then it ends as it is, with exit code 1. */
export function endWithin(name: string, limit_ms: number): void {
  setTimeout(() => {
    process.stderr.write(
      `The ${name} did not stop within ${limit_ms / 1_000} s; it ends with work unfinished.\n`,
    );
    process.exit(1);
  }, limit_ms);
}

/** Runs a process to its end; what stops it from running is said in one line of stderr, with exit code 1. */
export function runToEnd(name: string, main: () => Promise<void>): void {
  main().then(
    () => process.exit(0),
    (error: Error) => {
      process.stderr.write(`The ${name} cannot run: ${error.message}\n`);
      process.exit(1);
    },
  );
}
