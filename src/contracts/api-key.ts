import { z } from 'zod';
import { listOf } from './list';
import type { RateLimit } from './rate-limit';

/**
 * What a key may do. `admin` may manage the keys of its tenant and give them any scope; it includes no other scope, so a key that
 * hands out keys need not be able to read runs.
 */
export const SCOPES = ['runs:read', 'runs:write', 'tools:write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Longest life of a key, seconds: ten years. */
export const MAX_LIFE_S = 315_360_000;
/** Time to bring a new secret to everybody who uses the old one, where nothing else is said, and at most, seconds: a day, thirty days. */
export const DEFAULT_OVERLAP_S = 86_400;
export const MAX_OVERLAP_S = 2_592_000;
/** Requests of one kind a minute, at most. */
export const MAX_PER_MINUTE = 1_000_000;

/** Money a day, USD, at most. */
export const MAX_USD_PER_DAY = 1_000_000;

export const KeyName = z
  .string()
  .max(100)
  .refine((name) => name.trim() !== '', 'must say something');

const perMinute = z.number().int().min(1).max(MAX_PER_MINUTE).optional();
const PerMinute = {
  submits: perMinute,
  writes: perMinute,
  reads: perMinute,
  streams: perMinute,
} satisfies Record<RateLimit, typeof perMinute>;
/** Requests a minute, and what the runs of the key may spend on models a day (UTC), where they differ from the settings of the service. */
export const KeyLimits = z.strictObject({
  ...PerMinute,
  usd_per_day: z.number().min(0).max(MAX_USD_PER_DAY).optional(),
});
export type KeyLimits = z.infer<typeof KeyLimits>;

/** Body of `POST /v1/api-keys`. */
export const CreateApiKey = z
  .strictObject({
    name: KeyName,
    scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
    /** When it stops being accepted; never, when neither is given. */
    expires_at: z.iso.datetime({ offset: true }).optional(),
    expires_in_s: z.number().int().min(1).max(MAX_LIFE_S).optional(),
    /** At most what the key that asks has itself. */
    limits: KeyLimits.optional(),
  })
  .refine(({ expires_at, expires_in_s }) => expires_at === undefined || expires_in_s === undefined, {
    path: ['expires_in_s'],
    message: 'must be absent when expires_at is given',
  });
export type CreateApiKey = z.infer<typeof CreateApiKey>;

/** Body of `POST /v1/api-keys/{id}/rotate`. */
export const RotateApiKey = z.strictObject({
  /** How long the secret of now stays accepted beside the new one, seconds; 0 ends it at once. */
  old_expires_in_s: z.number().int().min(0).max(MAX_OVERLAP_S).optional(),
});

const fields = {
  id: z.string(),
  object: z.literal('api_key'),
  name: z.string(),
  /** First characters of its secret, to tell keys apart. */
  prefix: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  limits: KeyLimits,
  created_at: z.string(),
  expires_at: z.string().nullable(),
  /** To about a minute. */
  last_used_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  /** The secret before this one, while it is still accepted. */
  previous: z.strictObject({ prefix: z.string(), expires_at: z.string() }).nullable(),
};

/** A key as clients see it. Times are RFC 3339 UTC. */
export const ApiKeyView = z.strictObject(fields).meta({ id: 'ApiKey' });
export type ApiKeyView = z.infer<typeof ApiKeyView>;

/** A key with the secret that was made now: it is shown this once. */
export const ApiKeyWithSecret = z
  .strictObject({ ...fields, secret: z.string() })
  .meta({ id: 'ApiKeyWithSecret' });

export const ApiKeyList = listOf(ApiKeyView).meta({ id: 'ApiKeyList' });
export type ApiKeyList = z.infer<typeof ApiKeyList>;
