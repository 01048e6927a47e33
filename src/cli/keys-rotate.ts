import { Command } from 'commander';
import { DEFAULT_OVERLAP_S, MAX_OVERLAP_S } from '../contracts/api-key';
import { Refusal } from '../contracts/refusal';
import { rotateApiKey, tenantOfKey } from '../db/api-keys';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';
import { duration } from './words';

/** `longhaul keys rotate <id>`: the new secret on stdout, and nowhere else. */
export function rotateKey(around: Surroundings): Command {
  return new Command('rotate')
    .description('Gives a key a new secret and prints it, this once; the old one stays accepted for a while.')
    .argument('<id>', 'id of the key, as `keys list` shows it')
    .option(
      '--overlap <time>',
      'how long the old secret stays accepted: 24h when absent',
      duration(MAX_OVERLAP_S),
    )
    .addOption(outputOption())
    .action((id: string, { overlap = DEFAULT_OVERLAP_S, output }: Output & { overlap?: number }) =>
      around.withDatabase(async (db) => {
        const tenant = await tenantOfKey(db, id);
        if (tenant === undefined)
          throw new Refusal(
            'not_found',
            `There is no key ${id}. \`longhaul keys list\` shows those there are.`,
          );
        const { secret, ...key } = await rotateApiKey(db, tenant, id, overlap);
        const ends = key.previous_expires_at?.toISOString() ?? 'now';
        around.err(`${id} of ${tenant} has a new secret, not shown again; the old one ends ${ends}.\n`);
        if (output === 'json') printJson(around, { ...key, secret });
        else around.out(`${secret}\n`);
      }),
    );
}
