import { createColors } from 'picocolors';
import type { Screen } from './follow-run';

/** What a screen needs to know of the stream behind it; `process.stderr` fits. */
interface Outlet {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

/** The screen that an output is: a terminal is drawn on, in colours; a file or a pipe, and CI, get lines. */
export function screenOf(outlet: Outlet, env: NodeJS.ProcessEnv): Screen {
  const capable = outlet.isTTY === true && env.TERM !== 'dumb';
  return {
    write: (text) => outlet.write(text),
    redraws: capable && !env.CI,
    columns: outlet.columns || 80,
    rows: outlet.rows || 24,
    paint: createColors(capable && !env.NO_COLOR),
  };
}
