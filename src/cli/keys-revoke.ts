import { Command } from 'commander';
import { Refusal } from '../contracts/refusal';
import { revokeApiKey, tenantOfKey } from '../db/api-keys';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';

/** `longhaul keys revoke <id>`. */
export function revokeKey(around: Surroundings): Command {
  return new Command('revoke')
    .description('Ends a key for good, with all its secrets; every process refuses it within 2 s.')
    .argument('<id>', 'id of the key, as `keys list` shows it')
    .addOption(outputOption())
    .action((id: string, { output }: Output) =>
      around.withDatabase(async (db) => {
        const tenant = await tenantOfKey(db, id);
        if (tenant === undefined || !(await revokeApiKey(db, tenant, id)))
          throw new Refusal(
            'not_found',
            `There is no key ${id}. \`longhaul keys list\` shows those there are.`,
          );
        around.err(`${id} of ${tenant} is revoked.\n`);
        if (output === 'json') printJson(around, { id, tenant, revoked: true });
      }),
    );
}
