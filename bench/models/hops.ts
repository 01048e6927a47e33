import { percentile } from '../percentile';
import { firstOf, type SeenRun } from './runs';
import { STORIES, type Served } from './stories';

/** What lies between two model calls of a run: from the last byte of a reply to the next request's arrival. */
export interface Hop {
  name: string;
  took_ms: number;
  /** Events that reached the client in it, and when, counted from its beginning. Shown steps and text are left out. */
  events: { type: string; after_ms: number }[];
}

const SHOWN = ['plan.step_drafted', 'generation.delta'];

/** The hops of a run: from its submit over its calls to its end. Together with the calls they are its wall time. */
export function hopsOf(run: SeenRun, calls: Served[]): Hop[] {
  const replies = STORIES.six;
  const starts = [run.submitted, ...calls.map(({ parts }) => parts.at(-1)!)];
  const ends = [...calls.map(({ arrived }) => arrived), firstOf(run, 'run.completed')];
  return starts.map((start, i) => ({
    name: `${replies[i - 1]?.name ?? 'submit'} → ${replies[i]?.name ?? 'end'}`,
    took_ms: ends[i]! - start,
    events: run.events
      .filter(({ type, at }) => at >= start && at <= ends[i]! && !SHOWN.includes(type))
      .map(({ type, at }) => ({ type, after_ms: at - start })),
  }));
}

/** One line a hop: p50 over the runs, the least, which is what it takes where nobody else uses the machine, and p50 of its events. */
export function hopLines(runs: Hop[][]): string[] {
  return runs[0]!.map(({ name, events }, i) => {
    const times = runs.map((hops) => hops[i]!.took_ms);
    const [p50, least] = [percentile(times, 50), Math.min(...times)].map((ms) => ms.toFixed(1).padStart(6));
    const shown = events.map(({ type }, j) => {
      const after = runs.flatMap((hops) => {
        const event = hops[i]!.events[j];
        return event?.type === type ? [event.after_ms] : [];
      });
      return `${type} ${percentile(after, 50).toFixed(1)}`;
    });
    return `  ${name.padEnd(28)} ${p50} ${least}   ${shown.join(', ')}`;
  });
}
