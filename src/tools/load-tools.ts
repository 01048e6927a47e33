import { builtInTools } from './built-in';
import { loadToolPack } from './load-pack';
import { createRegistry, type Registry } from './registry';

/** The tools of a process: the built-in ones and those of the packs at `paths`. @throws Error that names the pack and what is wrong. */
export function loadTools(paths: readonly string[]): Registry {
  return createRegistry([...builtInTools(), ...paths.flatMap(loadToolPack)]);
}
