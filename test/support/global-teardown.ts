import { rmSync } from 'node:fs';
import { STARTED, type Started } from './global-setup';

export default async function tearDown(): Promise<void> {
  const started = (globalThis as Record<symbol, unknown>)[STARTED] as Started | undefined;
  if (started === undefined) return;
  for (const stop of started.stop) await stop();
  rmSync(started.home, { recursive: true, force: true });
}
