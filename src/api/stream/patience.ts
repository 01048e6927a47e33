/**
 * Waits until a slow reader has taken what was sent to it.
 * @param wait resolves when it has, or is gone
 * @returns false when its time is over.
 */
export async function drained(wait: Promise<unknown>, patience_ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), patience_ms);
  });
  try {
    return await Promise.race([wait.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
