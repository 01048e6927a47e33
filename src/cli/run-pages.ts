import type { Run } from '../contracts/run';
import type { Api } from './api';

/** Runs that are asked for at once. */
const PAGE = 100;

interface Page {
  data: Run[];
  has_more: boolean;
  last_id: string | null;
}

/** Runs of the tenant, page by page. @param most how many at most */
export async function listRuns(
  api: Api,
  filter: Record<string, string | undefined>,
  most: number,
): Promise<{ runs: Run[]; has_more: boolean }> {
  const runs: Run[] = [];
  for (let after: string | undefined; ;) {
    const limit = Math.min(PAGE, most - runs.length);
    const page = await api.get<Page>('/v1/runs', { ...filter, limit, after });
    runs.push(...page.data);
    if (!page.has_more || runs.length >= most) return { runs, has_more: page.has_more };
    after = page.last_id ?? undefined;
  }
}
