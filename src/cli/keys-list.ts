import { Command } from 'commander';
import { listApiKeys, listTenants, type ApiKeyRow } from '../db/api-keys';
import { outputOption, printJson, printTable, type Output, type Surroundings } from './terminal';
import { tenant } from './words';

/** Keys that are asked for at once. */
const PAGE = 100;

/** `longhaul keys list`: of one tenant, or of all. */
export function listKeys(around: Surroundings): Command {
  return new Command('list')
    .description('Lists keys, the newest of each tenant first; secrets are not kept, so none is shown.')
    .option('--tenant <tenant>', 'whose; those of all tenants when absent', tenant)
    .addOption(outputOption())
    .action(({ tenant, output }: Output & { tenant?: string }) =>
      around.withDatabase(async (db) => {
        const keys: ApiKeyRow[] = [];
        for (const owner of tenant === undefined ? await listTenants(db) : [tenant]) {
          for (let after: string | undefined; ;) {
            const page = await listApiKeys(db, owner, { after, limit: PAGE });
            keys.push(...page);
            if (page.length < PAGE) break;
            after = page.at(-1)!.id;
          }
        }
        if (output === 'json') return printJson(around, keys);
        printTable(
          around,
          ['ID', 'TENANT', 'NAME', 'PREFIX', 'SCOPES', 'STATE', 'LAST USED'],
          keys.map(cellsOf),
        );
      }),
    );
}

function cellsOf(key: ApiKeyRow): string[] {
  const used = key.last_used_at?.toISOString() ?? 'never';
  // A name is free text: one line of the table is one key whatever it holds.
  const name = key.name.replace(/\p{C}/gu, '?');
  return [key.id, key.tenant, name, key.prefix, key.scopes.join(','), stateOf(key), used];
}

function stateOf({ revoked_at, expires_at }: ApiKeyRow): string {
  if (revoked_at !== null) return 'revoked';
  if (expires_at === null) return 'accepted';
  return `${expires_at > new Date() ? 'until' : 'expired'} ${expires_at.toISOString()}`;
}
