import type { Origin } from '../contracts/origin';
import type { Run } from '../contracts/run';
import { branches } from '../watch/run-tree';

/** How a run came about, to be read behind "a": `restart of run_1 from failed`. */
export function originWords({ type, run_id, from }: Origin): string {
  if (type === 'api') return 'submit';
  const point = from === null ? '' : ` ${type === 'fork' ? 'at' : 'from'} ${from}`;
  return `${type} of ${run_id ?? 'a run that is gone'}${point}`;
}

/**
 * Draws the runs of a lineage, one line each, every one below the run it repeats; one whose run is gone stands at the top.
 * @param runs in order of time
 * @param here id of the run that is looked at
 */
export function lineageTree(runs: readonly Run[], here: string): string[] {
  const known = new Set(runs.map(({ id }) => id));
  const parentOf = ({ origin: { run_id } }: Run) => (run_id !== null && known.has(run_id) ? run_id : null);
  const below = (parent: string | null) => runs.filter((run) => parentOf(run) === parent);
  return branches(
    below(null),
    ({ id }) => below(id),
    (branch, run) => {
      const { id, status, created_at, superseded_by, origin } = run;
      const { type, from } = origin;
      const came = type === 'api' ? 'submit' : `${type} ${type === 'fork' ? 'at' : 'from'} ${from ?? '?'}`;
      const notes = [superseded_by === null ? [] : 'superseded', id === here ? 'this one' : []].flat();
      const noted = notes.length === 0 ? '' : `  (${notes.join(', ')})`;
      return `${branch}${id}  ${status}  ${created_at}  ${came}${noted}`;
    },
  );
}
