import type { RunEvent } from '../contracts/event';
import { isTerminal } from '../contracts/run-status';
import { readSse } from './read-sse';
import { drawView, eventLine, type Paint } from './run-tree';
import { EMPTY_VIEW, viewAfter, type RunView } from './run-view';

/** Where a run is shown. */
export interface Screen {
  write(text: string): unknown;
  /** Whether lines can be written over. */
  redraws: boolean;
  /** Columns, when `redraws`; a longer line would break the redrawing. */
  columns: number;
  /** Rows, when `redraws`; what has scrolled off cannot be written over. */
  rows: number;
  paint: Paint;
}

/**
 * Follows the events of a run until it ends and shows them on `screen`.
 * @returns the run as it was shown last: its status is one of the terminal four
 * @throws Error when the stream is refused, cannot be reached again, or ends before the run
 */
export async function followRun(
  run: { url: string; headers: Record<string, string>; signal?: AbortSignal },
  screen: Screen,
): Promise<RunView> {
  const show = screen.redraws ? redrawer(screen) : liner(screen);
  const { url, headers, signal } = run;
  let view = EMPTY_VIEW;
  const onLost = (reason: string) => void screen.write(`Lost the events (${reason}); connecting again.\n`);
  for await (const frame of readSse(url, {
    headers,
    ...(signal && { signal }),
    ...(!screen.redraws && { onLost }),
  })) {
    // Control frames such as stream.end carry no event.
    if (frame.event.startsWith('stream.')) continue;
    const event = JSON.parse(frame.data) as RunEvent;
    const before = view;
    view = viewAfter(view, event);
    show(event, before, view);
  }
  // Not at the first end: the run may have been opened again since.
  if (isTerminal(view.status)) return view;
  throw new Error(`The events of ${view.id ?? 'the run'} ended before the run did.`);
}

type Show = (event: RunEvent, before: RunView, after: RunView) => void;

function liner({ write, paint }: Screen): Show {
  return (event, before, after) => {
    const line = eventLine(event, before, after, paint);
    if (line !== undefined) write(`${line}\n`);
  };
}

/** Draws the tree over the one before: up by its lines, then everything below the cursor is cleared. */
function redrawer({ write, columns, rows, paint }: Screen): Show {
  let drawn = 0;
  return (_event, _before, after) => {
    const all = drawView(after, paint);
    const fitting =
      all.length < rows ? all : [...all.slice(0, rows - 2), `… and ${all.length - rows + 2} more`];
    const lines = fitting.map((line) => cut(line, columns - 1));
    write(`${drawn > 0 ? `\u001b[${drawn}A` : ''}\u001b[J${lines.join('\n')}\n`);
    drawn = lines.length;
  };
}

/** Cuts a line to a width. Colour codes take no columns and are all kept, so that the last one still ends the colour. */
function cut(line: string, columns: number): string {
  let left = columns;
  const pieces = line.split(/(\p{Cc}\[\d+m)/u);
  return pieces
    .map((piece, place) => {
      if (place % 2 === 1) return piece;
      const kept = piece.slice(0, Math.max(0, left));
      left -= kept.length;
      return kept;
    })
    .join('');
}
