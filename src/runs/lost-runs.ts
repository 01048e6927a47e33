import { unheardRuns, type RunPlace, type UnheardRun } from '../db/lost-runs';
import { rememberNamespace } from '../db/temporal-namespace';
import type { KnownWorkflows } from './known-workflows';
import { settleLost, type LostRunDeps, type Settled } from './settle-lost';

/** Runs that one look takes of those that are to be gone round. */
const AT_ONCE = 100;
/** Of them, asked about together. */
const ASKED_TOGETHER = 10;
/** Settled together: each holds a connection to Postgres for as long as Temporal takes, 2.5 s at most. */
const SETTLED_TOGETHER = 4;
/** Before the first run of the first tenant. */
const START: RunPlace = { tenant: '', id: '' };

export interface LostRunsDeps extends LostRunDeps {
  known: KnownWorkflows;
  /** Hears what became of a run that was lost. */
  onSettled: (run: UnheardRun, became: Settled) => void;
  onFault: (what: string, error: unknown) => void;
}

/**
 * Looks for runs whose workflows are not there: Temporal's store was wiped, or restored from an older backup. Each look takes the next ones
 * of which nothing was heard for a minute, so that all are asked about in turn, and settles those of which the look before has found the
 * same. Only the Temporal that had a workflow can say that it is lost: in a namespace that is not the one the database remembers, nothing is
 * started again until an operator says that it is the right one, and runs end when their time is over.
 */
export class LostRuns {
  /** The last run that was asked about. */
  private at = START;
  /** Runs that the look before has found to be lost. */
  private suspects: ReadonlySet<string> = new Set();
  /** The namespace that was reported as a wrong one. */
  private reported: string | null = null;

  constructor(private readonly deps: LostRunsDeps) {}

  /** Has the next look be a first one: another process may have looked since. */
  forget(): void {
    this.at = START;
    this.suspects = new Set();
    this.reported = null;
  }

  /** @throws when Temporal or Postgres is away; the next look then asks about the same runs */
  async look(): Promise<void> {
    const next = await unheardRuns(this.deps.db, this.at, AT_ONCE);
    const ids = [...new Set([...this.suspects, ...next.map(({ id }) => id)])];
    const lost = await this.lostOf(ids);
    // After the answers: what they say is of this Temporal, or of one that was there before it and knows nothing of what comes now.
    const is_right = await this.isRight();
    const sure = lost.filter(({ run_id }) => this.suspects.has(run_id));
    for (let at = 0; at < sure.length; at += SETTLED_TOGETHER) {
      const some = sure.slice(at, at + SETTLED_TOGETHER);
      await Promise.all(
        some.map(({ run_id, standing }) => this.settle(run_id, is_right && standing === 'unknown')),
      );
    }
    this.suspects = new Set(lost.map(({ run_id }) => run_id).filter((id) => !this.suspects.has(id)));
    this.at = next.length < AT_ONCE ? START : next.at(-1)!;
  }

  /** Those of them whose workflows are not open. */
  private async lostOf(ids: string[]): Promise<{ run_id: string; standing: 'closed' | 'unknown' }[]> {
    const lost: { run_id: string; standing: 'closed' | 'unknown' }[] = [];
    for (let at = 0; at < ids.length; at += ASKED_TOGETHER) {
      const some = ids.slice(at, at + ASKED_TOGETHER);
      const standings = await Promise.all(some.map((run_id) => this.deps.known.standingOf(run_id)));
      some.forEach((run_id, i) => {
        const standing = standings[i]!;
        if (standing !== 'open') lost.push({ run_id, standing });
      });
    }
    return lost;
  }

  /** Whether the Temporal that answers is the one that has started the runs. One that is not is reported once. */
  private async isRight(): Promise<boolean> {
    const id = await this.deps.known.namespaceId();
    const remembered = await rememberNamespace(this.deps.db, id);
    if (id === remembered) {
      this.reported = null;
      return true;
    }
    if (this.reported !== id) {
      const why = `Its namespace is ${id}, and runs were started in ${remembered}`;
      const what_to_do = `if nobody carries runs out there any more, say \`longhaul temporal adopt ${id}\``;
      this.deps.onFault(
        'Runs that Temporal does not know are not started again',
        new Error(`${why}: ${what_to_do}.`),
      );
    }
    this.reported = id;
    return false;
  }

  private async settle(run_id: string, may_start: boolean): Promise<void> {
    const { deps } = this;
    const onNotStarted = (error: unknown) =>
      deps.onFault(`Run ${run_id}, which Temporal has lost, could not be started again`, error);
    try {
      const settled = await settleLost(deps, run_id, may_start, onNotStarted);
      if (settled !== null) deps.onSettled(settled.run, settled.became);
    } catch (error) {
      deps.onFault(`Run ${run_id}, which Temporal has lost, could not be ended`, error);
    }
  }
}
