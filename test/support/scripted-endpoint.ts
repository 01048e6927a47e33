import { Interrupted } from '../../src/contracts/interrupted';
import type { CallOptions, Endpoint, ModelReply, ModelRequest } from '../../src/llm/model';

/** What a call comes to: a text, an error that is thrown, or something to be done first. */
type Scripted = string | Error | ((options: CallOptions) => Promise<string>);

/** An endpoint that plays a script and keeps every request. Out of answers is an error of the test, and so are answers left over. */
export interface ScriptedEndpoint extends Endpoint {
  readonly requests: ModelRequest[];
}

const played = new Set<{ name: string; left: () => number; faults: string[] }>();

afterEach(() => {
  const faults = [...played].flatMap(({ name, left, faults }) => [
    ...faults,
    ...(left() > 0 ? [`${name} has ${left()} answers left over.`] : []),
  ]);
  played.clear();
  if (faults.length > 0) throw new Error(faults.join(' '));
});

/** Ends its calls at once when they are aborted, as the port wants it. */
export function scriptedEndpoint(name: string, answers: Scripted[] = []): ScriptedEndpoint {
  const open = [...answers];
  const faults: string[] = [];
  const requests: ModelRequest[] = [];
  const model = `model of ${name}`;
  played.add({ name, left: () => open.length, faults });
  async function call(request: ModelRequest, options: CallOptions): Promise<ModelReply> {
    if (options.signal.aborted) faults.push(`${name} was asked though the call was aborted.`);
    requests.push(request);
    const answer = open.shift();
    if (answer === undefined) faults.push(`${name} was asked once too often.`);
    if (answer === undefined) throw new Error(`${name} was asked once too often.`);
    if (answer instanceof Error) throw answer;
    const text = typeof answer === 'string' ? answer : await untilAborted(answer(options), options.signal);
    return { text, model, endpoint: name, usage: null };
  }
  return { name, model, requests, call };
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new Interrupted());
    signal.addEventListener('abort', onAbort);
  });
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
