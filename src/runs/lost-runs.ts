import { ANY_NAMESPACE, noteNamespace, unheardRuns, type RunPlace, type UnheardRun } from '../db/lost-runs';
import type { KnownWorkflows, Standing } from './known-workflows';
import { settleLost, type LostRunDeps, type Settled } from './settle-lost';

/** Runs that one look takes of those that are to be gone round. */
const AT_ONCE = 100;
/** Of them, asked about together. */
const ASKED_TOGETHER = 10;
/** Settled together: Temporal may take 2.5 s for each. */
const SETTLED_TOGETHER = 4;
/** Before the first run of the first tenant. */
const START: RunPlace = { tenant: '', id: '' };

export interface LostRunsDeps extends LostRunDeps {
  known: KnownWorkflows;
  /** Hears what became of a run that was lost. */
  onSettled: (run: UnheardRun, became: Settled) => void;
  onFault: (what: string, error: unknown) => void;
}

/** What Temporal says of the workflows of runs. */
type Standings = ReadonlyMap<string, Standing>;

/**
 * Looks for runs whose workflows are not there: Temporal's store was wiped, or restored from an older backup. Each look takes the next ones
 * of which nothing was heard for a minute, so that all are asked about in turn, and settles those of which the look before has found the
 * same. Only the Temporal that had a workflow can say that it is lost: in another namespace than the one a run was started in, it is not
 * started again until an operator says that it belongs there, and ends when its time is over.
 */
export class LostRuns {
  /** The last run that was asked about. */
  private at = START;
  /** Runs that the look before has found to be lost. */
  private suspects: ReadonlySet<string> = new Set();
  /** The namespace in which runs were left alone, once that was reported. */
  private reported: string | null = null;

  constructor(private readonly deps: LostRunsDeps) {}

  /** Has the next look be a first one: another process may have looked since. */
  forget(): void {
    this.at = START;
    this.suspects = new Set();
    this.reported = null;
  }

  /**
   * @param goOn asked before each piece of the work; what a look does not come to is left to the next one
   * @throws when Temporal or Postgres is away; the next look then asks about the same runs
   */
  async look(goOn: () => boolean): Promise<void> {
    const { db, known } = this.deps;
    const next = await unheardRuns(db, this.at, AT_ONCE);
    const ids = [...new Set([...this.suspects, ...next.map(({ id }) => id)])];
    if (ids.length === 0) {
      this.at = START;
      return;
    }
    const namespace_id = await known.namespaceId();
    const standings = await this.ask(ids, goOn);
    // Another one may have come in its place meanwhile, and then it is not clear which of them has said what.
    if ((await known.namespaceId()) !== namespace_id) return;
    const found = [...standings.keys()];
    const open = found.filter((id) => standings.get(id) === 'open');
    await noteNamespace(db, open, namespace_id);
    const lost = found.filter((id) => standings.get(id) !== 'open');
    const unsettled = await this.settleAll(
      lost.filter((id) => this.suspects.has(id)),
      { standings, namespace_id, goOn },
    );
    const unasked = [...this.suspects].filter((id) => !standings.has(id));
    this.suspects = new Set([...lost.filter((id) => !this.suspects.has(id)), ...unsettled, ...unasked]);
    const asked = next.filter(({ id }) => standings.has(id));
    if (asked.length < next.length) this.at = asked.at(-1) ?? this.at;
    else this.at = next.length < AT_ONCE ? START : next.at(-1)!;
  }

  private async ask(ids: string[], goOn: () => boolean): Promise<Standings> {
    const standings = new Map<string, Standing>();
    for (let at = 0; at < ids.length && goOn(); at += ASKED_TOGETHER) {
      const some = ids.slice(at, at + ASKED_TOGETHER);
      const answers = await Promise.all(some.map((id) => this.deps.known.standingOf(id)));
      some.forEach((id, i) => standings.set(id, answers[i]!));
    }
    return standings;
  }

  /** @returns those that it did not come to */
  private async settleAll(
    ids: string[],
    { standings, namespace_id, goOn }: { standings: Standings; namespace_id: string; goOn: () => boolean },
  ): Promise<string[]> {
    let at = 0;
    for (; at < ids.length && goOn(); at += SETTLED_TOGETHER) {
      const some = ids.slice(at, at + SETTLED_TOGETHER);
      const mayStart = (run: UnheardRun) =>
        standings.get(run.id) === 'unknown' && this.isOf(run, namespace_id);
      await Promise.all(some.map((run_id) => this.settle(run_id, mayStart)));
    }
    return ids.slice(at);
  }

  /** Whether the Temporal that answers is the one that has started the run. That it is not is reported once. */
  private isOf({ temporal_namespace: its }: UnheardRun, namespace_id: string): boolean {
    if (its === namespace_id || its === ANY_NAMESPACE) {
      this.reported = null;
      return true;
    }
    if (this.reported !== namespace_id) {
      const where = its === null ? 'one that is not known' : its;
      const what_to_do = `if nobody carries runs out there any more, say \`longhaul temporal adopt ${namespace_id}\``;
      this.deps.onFault(
        'Runs that Temporal does not know are not started again',
        new Error(`Its namespace is ${namespace_id}, and they were started in ${where}: ${what_to_do}.`),
      );
    }
    this.reported = namespace_id;
    return false;
  }

  private async settle(run_id: string, mayStart: (run: UnheardRun) => boolean): Promise<void> {
    const { deps } = this;
    const onNotStarted = (error: unknown) =>
      deps.onFault(`Run ${run_id}, which Temporal has lost, could not be started again`, error);
    try {
      const settled = await settleLost(deps, run_id, mayStart, onNotStarted);
      if (settled !== null) deps.onSettled(settled.run, settled.became);
    } catch (error) {
      deps.onFault(`Run ${run_id}, which Temporal has lost, could not be ended`, error);
    }
  }
}
