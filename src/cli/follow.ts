import type { Run } from '../contracts/run';
import { followRun } from '../watch/follow-run';
import type { Api } from './api';
import { CommandEnd, EXIT } from './exit';
import { plain } from './plain';
import type { Surroundings } from './terminal';

/**
 * Follows a run to its end on the screen.
 * @returns the run as it is then
 * @throws CommandEnd when it is followed no longer: the run goes on
 */
export async function follow(around: Surroundings, api: Api, id: string): Promise<Run> {
  const signal = around.interruption();
  const goesOn = `${id} goes on. \`longhaul runs watch ${id}\` follows it, \`longhaul runs cancel ${id}\` ends it.`;
  try {
    await followRun({ url: `${api.url}/v1/runs/${id}/events`, headers: api.headers, signal }, around.screen);
  } catch (error) {
    if (signal.aborted) throw new CommandEnd(EXIT.interrupted, `\n${goesOn}`, { cause: error });
    throw new CommandEnd(EXIT.goes_on, `${plain((error as Error).message)}\n${goesOn}`, { cause: error });
  }
  return api.get<Run>(`/v1/runs/${id}`);
}
