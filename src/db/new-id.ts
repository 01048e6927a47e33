import { ulid } from 'ulid';

/** Kinds of ids; the kind is the prefix. */
type IdKind = 'run' | 'evt' | 'key' | 'wish' | 'req' | 'todo' | 'ses';

/** A new id that carries its kind and sorts by time: `run_01K8…`. */
export function newId(kind: IdKind): string {
  return `${kind}_${ulid()}`;
}
