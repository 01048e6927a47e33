/** How long a reader may leave its buffer full before it is let go, milliseconds. */
export const PATIENCE_MS = 30_000;

/**
 * Waits until a slow reader has taken what was sent to it.
 * @param wait resolves when it has; told to stop by `signal`
 * @returns false when its time is over.
 */
export async function drained(wait: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), PATIENCE_MS);
  });
  try {
    return await Promise.race([wait.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
