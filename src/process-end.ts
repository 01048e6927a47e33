/** Resolves when somebody wants this process to stop: a signal, or a parent whose channel closed because it is gone. */
export function stopRequest(): Promise<void> {
  return new Promise((resolve) => {
    for (const cause of ['SIGINT', 'SIGTERM', 'disconnect']) process.once(cause, () => resolve());
  });
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
