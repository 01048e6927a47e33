import type { Message, ModelRequest } from './model';
import type { ProviderFault } from './model-failures';

/**
 * What of OpenAI's protocol a provider takes. Many speak it, few speak all of it, and only a refused request tells. Pure.
 *
 *   format   how a reply is made to fit a schema. Where the provider does not take the schema itself, the model is told it
 *   limit    the name of the limit of output tokens. OpenAI's own newer models refuse `max_tokens`; elsewhere `max_completion_tokens` is
 *            often not known, and then ignored, which is worse than refused
 */
export interface Dialect {
  format: 'json_schema' | 'json_object' | 'none';
  limit: 'max_completion_tokens' | 'max_tokens';
}

/** What a provider that was not asked yet is assumed to take. */
export function firstDialect(base_url: string): Dialect {
  const isOpenAi = new URL(base_url).hostname === 'api.openai.com';
  return { format: 'json_schema', limit: isOpenAi ? 'max_completion_tokens' : 'max_tokens' };
}

/** @returns the next dialect to try after a request in this one was refused; null when the dialect is not the reason */
export function nextDialect(dialect: Dialect, request: ModelRequest, fault: ProviderFault): Dialect | null {
  // Both are sent for a request with a field that is not known; 422 by servers that check requests against a schema.
  if (fault.status !== 400 && fault.status !== 422) return null;
  // Its message names `max_completion_tokens` as well, as what to use instead.
  if (dialect.limit === 'max_tokens' && /max_completion_tokens/.test(fault.said)) {
    return { ...dialect, limit: 'max_completion_tokens' };
  }
  if (request.format === null || dialect.format === 'none') return null;
  if (!/response.?format|json.?schema|json.?object|structured.?output/i.test(fault.said)) return null;
  return { ...dialect, format: dialect.format === 'json_schema' ? 'json_object' : 'none' };
}

/** The body of a request in this dialect, without what says whether it is streamed. */
export function requestBody(
  model: string,
  { messages, format, max_output_tokens }: ModelRequest,
  dialect: Dialect,
) {
  const limit = { [dialect.limit]: max_output_tokens };
  if (format === null) return { model, messages: [...messages], ...limit };
  if (dialect.format === 'json_schema') {
    const json_schema = { name: format.name, schema: format.schema, strict: false };
    return {
      model,
      messages: [...messages],
      ...limit,
      response_format: { type: 'json_schema' as const, json_schema },
    };
  }
  const told = tell(messages, format.schema);
  if (dialect.format === 'none') return { model, messages: told, ...limit };
  return { model, messages: told, ...limit, response_format: { type: 'json_object' as const } };
}

/** The schema goes to the end of the first system message: the templates of many models refuse a second one, or one further down. */
function tell(messages: readonly Message[], schema: Record<string, unknown>): Message[] {
  const words = `Reply with one JSON object and nothing else. It must fit this JSON Schema:\n${JSON.stringify(schema)}`;
  const [first, ...others] = messages;
  if (first?.role !== 'system') return [{ role: 'system', content: words }, ...messages];
  return [{ role: 'system', content: `${first.content}\n\n${words}` }, ...others];
}
