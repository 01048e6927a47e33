import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { findAcceptedKey, noteUse, type ApiKey } from '../db/api-keys';
import type { Tx } from '../db/tx';

/**
 * How long an accepted key is taken for accepted without being looked up, milliseconds: a key that is revoked by another process is refused
 * after at most this time.
 */
const REMEMBERED_MS = 2_000;
const MAX_REMEMBERED = 10_000;
/** Pause between two notes of which keys were used, milliseconds. */
const NOTE_EVERY_MS = 10_000;

/** The keys that are accepted. */
export interface AcceptedKeys {
  /** The key with this secret, if it is accepted. @throws Unavailable when Postgres is away. */
  find(secret: string): Promise<ApiKey | undefined>;
  /** Looks a key up again when it is next used, because it was changed here. */
  forget(id: string): void;
  /** Notes the last uses and ends. */
  close(): Promise<void>;
}

export interface AcceptedKeysOptions {
  /** Development keys are refused. */
  production: boolean;
  /** Hears that uses could not be noted; they are noted with the next ones. */
  onFault: (error: unknown) => void;
}

/** Looks keys up and remembers them for a moment. When they were used is noted apart, for all of them at once. */
export function acceptKeys(db: Tx, { production, onFault }: AcceptedKeysOptions): AcceptedKeys {
  /** By the hash of the secret: secrets themselves are not kept in memory. */
  const remembered = new LRUCache<string, ApiKey, string>({
    max: MAX_REMEMBERED,
    ttl: REMEMBERED_MS,
    // Requests that come while a key is looked up wait for the same look.
    fetchMethod: async (_hash, _stale, { options, context: secret }) => {
      const found = await findAcceptedKey(db, secret, { production });
      if (found === undefined) return undefined;
      // At least 1: zero would mean for ever.
      options.ttl = Math.max(1, Math.min(REMEMBERED_MS, found.left_ms ?? REMEMBERED_MS));
      used.add(found.key.id);
      return found.key;
    },
  });
  const used = new Set<string>();

  async function note(): Promise<void> {
    if (used.size === 0) return;
    const ids = [...used];
    used.clear();
    try {
      await noteUse(db, ids);
    } catch (error) {
      for (const id of ids) used.add(id);
      onFault(error);
    }
  }
  const timer = setInterval(() => void note(), NOTE_EVERY_MS);

  return {
    find: (secret) =>
      remembered.fetch(createHash('sha256').update(secret).digest('base64'), { context: secret }),
    forget(id) {
      for (const [hash, key] of remembered.entries()) if (key.id === id) remembered.delete(hash);
    },
    async close() {
      clearInterval(timer);
      await note();
    },
  };
}
