import OpenAI, { APIConnectionTimeoutError, APIError } from 'openai';
import { Refusal } from '../contracts/refusal';
import { CallLimits } from './call-limits';
import { firstDialect, nextDialect, requestBody, type Dialect } from './dialect';
import { Interrupted } from '../contracts/interrupted';
import type { Bought, CallOptions, Endpoint, ModelReply, ModelRequest } from './model';
import { ProviderFault, refusalOf, reportedFault } from './model-failures';
import { ReplyParts } from './reply-parts';

/** Bytes of a reply's text: far above what any model says, far below what hurts the process. */
const MAX_REPLY_BYTES = 2_000_000;

export interface OpenAiEndpointSettings {
  /** Unique in the process: `small/1`. */
  name: string;
  model: string;
  /** Where the provider's API begins, `/v1` included. */
  base_url: string;
  api_key: string;
  /** Of one call, seconds. */
  timeout_s: number;
}

/**
 * A model behind an address that speaks OpenAI's chat completions. It never tries again on its own, with one exception: what of the
 * protocol the provider takes shows only in what it refuses, so a call may cost up to four requests the first time (each refused unread,
 * none but the last one paid for), and one from then on, as long as the endpoint lives.
 */
export function createOpenAiEndpoint(settings: OpenAiEndpointSettings): Endpoint {
  let dialect = firstDialect(settings.base_url);

  async function call(request: ModelRequest, options: CallOptions): Promise<ModelReply> {
    const limits = new CallLimits(options.signal, settings.timeout_s * 1_000);
    try {
      for (;;) {
        const spoken = dialect;
        try {
          return await ask(settings, request, spoken, limits, options.onText);
        } catch (error) {
          const next = error instanceof ProviderFault ? nextDialect(spoken, request, error) : null;
          if (next === null || limits.ended !== null) throw error;
          // Another call may have found it out meanwhile: then what that one found is used.
          if (dialect === spoken) dialect = next;
        }
      }
    } catch (error) {
      throw thrownFor(error, settings, limits);
    } finally {
      limits.release();
    }
  }

  return { name: settings.name, model: settings.model, call };
}

/** One request, to the end of its answer. @throws ProviderFault, Refusal, Interrupted, and what `onText` throws */
async function ask(
  settings: OpenAiEndpointSettings,
  request: ModelRequest,
  dialect: Dialect,
  limits: CallLimits,
  onText: CallOptions['onText'],
): Promise<ModelReply> {
  const body = requestBody(settings.model, request, dialect);
  const reply = new ReplyParts();
  let bytes = 0;
  try {
    for await (const part of partsOf(clientOf(settings, limits), body, limits, onText !== undefined)) {
      // What was read from the wire before the call was ended may still come after that.
      if (limits.ended !== null) break;
      const piece = reply.take(part);
      bytes += Buffer.byteLength(piece);
      if (bytes > MAX_REPLY_BYTES) throw tooLarge(settings);
      if (piece !== '') onText?.(piece);
      if (reply.finish_reason !== null) limits.expectTail();
    }
  } catch (error) {
    // A reply that is finished is whole: with the end of the stream only its usage is lost.
    if (!(error instanceof ProviderFault) || reply.finish_reason === null) throw error;
  }
  if (limits.ended === 'interrupted') throw new Interrupted();
  return whole(reply, settings);
}

/** The chunks of a stream, or a completion as the only part. @throws ProviderFault, for whatever the client throws */
async function* partsOf(
  client: OpenAI,
  body: ReturnType<typeof requestBody>,
  { signal }: CallLimits,
  isStreamed: boolean,
): AsyncGenerator<unknown> {
  try {
    if (!isStreamed) {
      yield await client.chat.completions.create(body, { signal });
      return;
    }
    const streamed = { ...body, stream: true, stream_options: { include_usage: true } } as const;
    const { data, response } = await client.chat.completions.create(streamed, { signal }).withResponse();
    // Some answer at once though a stream was asked for; some report errors so, with status 200. A page comes from what is no provider.
    const type = response.headers.get('content-type') ?? '';
    if (type.includes('json')) yield await response.json();
    else if (type.includes('html')) yield await response.text();
    else yield* data;
  } catch (error) {
    throw faultOf(error);
  }
}

/** A client of the one call: the bytes it reads are counted against its limits. Connections are kept by the process, not by a client. */
function clientOf({ base_url, api_key, timeout_s }: OpenAiEndpointSettings, limits: CallLimits): OpenAI {
  return new Client({
    baseURL: base_url,
    apiKey: api_key,
    timeout: timeout_s * 1_000,
    maxRetries: 0,
    fetch: limits.fetch,
    // Followed, a redirect would take the question, and maybe the key, to an address that nobody set.
    fetchOptions: { redirect: 'manual' },
    // Its log quotes what the provider sends; and it must take no settings from the environment behind our back.
    logLevel: 'off',
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
  });
}

class Client extends OpenAI {
  /** The client's own error keeps a report only if it has the form of OpenAI's. */
  protected override makeStatusError(
    status: number,
    report: object | undefined,
    text: string | undefined,
    headers: Headers,
  ): never {
    throw reportedFault(report ?? text ?? '', status, headers);
  }
}

function faultOf(error: unknown): ProviderFault {
  if (error instanceof ProviderFault) return error;
  if (error instanceof APIConnectionTimeoutError) return new ProviderFault(408, 'no answer in time');
  // An error that a stream reports with status 200: the client unwraps it.
  if (error instanceof APIError && error.error !== undefined) return reportedFault(error.error, null, null);
  const code = systemCodeOf(error);
  return new ProviderFault(null, code === '' ? 'the connection broke, or the answer is none' : code);
}

/** The operating system's code in the causes of a failed request, such as `ECONNREFUSED`. Messages beside it hold addresses inside. */
function systemCodeOf(error: unknown): string {
  for (let at = error; typeof at === 'object' && at !== null; at = (at as { cause?: unknown }).cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string') return code;
  }
  return '';
}

/** @throws Refusal when the model did not say all it wanted to */
function whole(reply: ReplyParts, { name, model }: OpenAiEndpointSettings): ModelReply {
  const where = `${model} at ${name}`;
  const bought = { bought: { model: reply.model ?? model, usage: reply.usage } satisfies Bought };
  if (reply.refusal !== '' || reply.finish_reason === 'content_filter') {
    throw new Refusal('model_declined', `${where} declines to answer.`, [], bought);
  }
  if (reply.finish_reason === 'length') {
    throw new Refusal('reply_truncated', `${where} used up the tokens that its reply may have.`, [], bought);
  }
  if (reply.finish_reason !== 'stop') {
    throw new ProviderFault(null, 'its reply ended before the model had finished');
  }
  // A model that finishes without a word had an accident, which the next try seldom has again: so it is retryable.
  if (reply.text.trim() === '') throw new ProviderFault(null, 'its reply is empty');
  return { text: reply.text, model: reply.model ?? model, endpoint: name, usage: reply.usage };
}

/** What the caller of the endpoint gets to see. */
function thrownFor(error: unknown, settings: OpenAiEndpointSettings, { ended }: CallLimits): unknown {
  if (ended === 'interrupted') return new Interrupted();
  if (!(error instanceof ProviderFault)) return error;
  // An answer with a status says more than the limit that was met while it was read.
  if (ended === null || error.status !== null) return refusalOf(error, settings, Date.now());
  if (ended === 'too_large') return tooLarge(settings);
  const limit =
    ended === 'idle' ? 'fell silent in the middle of its reply' : `took more than ${settings.timeout_s} s`;
  return new Refusal('model_timeout', `${settings.model} at ${settings.name} ${limit}.`);
}

function tooLarge({ name, model }: OpenAiEndpointSettings): Refusal {
  return new Refusal('reply_truncated', `The reply of ${model} at ${name} grew too large and was cut off.`);
}
