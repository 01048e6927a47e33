import type { Tier, Usage } from '../contracts/model';

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** One question to a model. It says nothing of who is asked: the same question has the same hash wherever it goes. */
export interface ModelRequest {
  tier: Tier;
  messages: readonly Message[];
  /** JSON Schema that the reply is to fit, under a name the provider may show; null: free text. */
  format: { name: string; schema: Record<string, unknown> } | null;
  /** Tokens that the reply may have. */
  max_output_tokens: number;
}

/** A reply that came whole: its provider said that it is finished. */
export interface ModelReply {
  text: string;
  /** Name of the model that answered. */
  model: string;
  /** Name of the endpoint it was asked at. */
  endpoint: string;
  /** Null where the provider does not say. */
  usage: Usage | null;
}

export interface CallOptions {
  /** Aborted: the call ends at once, by throwing `Interrupted`. */
  signal: AbortSignal;
  /** Called with each piece of the reply as it comes; the reply is streamed only when this is given. */
  onText?: (piece: string) => void;
}

/** What was paid for a reply that is of no use: a provider bills it all the same. */
export interface Bought {
  model: string;
  /** Null where the provider does not say. */
  usage: Usage | null;
}

/**
 * One model behind one address: the port that speaks a provider's wire.
 * @throws Refusal with a code of the models' part of the failure table; `more.retry_after_ms` is the delay the provider asks for, where
 * it asks for one, `more.bought` (`Bought`) what was paid for a reply that is of no use. Interrupted when the signal was aborted.
 */
export interface Endpoint {
  /** Unique in the process, without secrets; shown in metrics, events and `/readyz`: `small/1`. */
  readonly name: string;
  readonly model: string;
  call(request: ModelRequest, options: CallOptions): Promise<ModelReply>;
}

/**
 * Language models by tier. Asks one endpoint after another, the least busy healthy one first, then those of the next tiers up, until one
 * answers or none is left that may succeed.
 * @throws Refusal of the last endpoint asked; `provider_unavailable` where none may be asked; Interrupted
 */
export interface Models {
  call(request: ModelRequest, options: CallOptions & Watching): Promise<ModelReply>;
}

/** What is done around each call to a provider. What these throw passes. */
export interface Watching {
  /** Awaited before it: counts it, and by throwing keeps it from being made. */
  before: (endpoint: Endpoint) => Promise<void>;
  /** Awaited as soon as there is a reply, before anything else is done: keeps it. */
  after: (reply: ModelReply) => Promise<void>;
}

/** What questions cost. Money is USD, null where a price is unknown. */
export interface Pricing {
  /** The most that a question may cost, at whichever endpoint: each byte counted as a token, and as much reply as it may have. */
  worstCase(request: ModelRequest): { tokens: number; cost_usd: number | null };
  /** What a reply of this model did cost. */
  costOf(model: string, usage: Usage): number | null;
}
