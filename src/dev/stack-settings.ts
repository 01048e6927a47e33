import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A setting from `NAME`, or from the file that `NAME_FILE` names; undefined when absent or empty. */
export function givenValue(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const file = env[`${name}_FILE`];
  const value = file ? readFileSync(file, 'utf8').trim() : env[name];
  return value === '' ? undefined : value;
}

/** Environment of a child: all of ours, with `settings` on top; neither `NAME_FILE` nor a setting of the supervisor alone may win over them. */
export function childEnvironment(
  env: NodeJS.ProcessEnv,
  settings: Record<string, string | undefined>,
): NodeJS.ProcessEnv {
  const child = { ...env };
  delete child.LONGHAUL_HOME;
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    delete child[`${name}_FILE`];
    child[name] = value;
  }
  return child;
}

/** The key for the API on this machine: the given one, or one of this home, made once, so that commands in a shell's history stay valid. */
export function developmentKey(home: string, env: NodeJS.ProcessEnv): string {
  const given = givenValue(env, 'LONGHAUL_DEVELOPMENT_KEY');
  if (given !== undefined) return given;
  const file = join(home, 'development-key');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const key = `lh_dev_${randomBytes(18).toString('base64url')}`;
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  return key;
}

/** Limits of requests on one's own machine, a minute and key: the demo, scripts and benchmarks ask more often than one tenant of many may. */
const OWN_LIMIT = '1000000';

/** Settings of an API that serves nobody but oneself; given ones stay. */
export function ownLimits(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = ['SUBMITS', 'WRITES', 'READS', 'STREAMS'].map((kind) => `LONGHAUL_${kind}_PER_MINUTE`);
  return Object.fromEntries(names.map((name) => [name, givenValue(env, name) ?? OWN_LIMIT]));
}
