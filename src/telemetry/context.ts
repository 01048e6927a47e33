import { AsyncLocalStorage } from 'node:async_hooks';

/** What every line of the log says besides its own fields, as far as it is known. */
export interface LogFields {
  request_id?: string | null;
  /** 32 hexadecimal digits, from the client's `traceparent` or made here. */
  trace_id?: string | null;
  tenant?: string;
  /** Id of the API key, never the key. */
  key_id?: string;
  run_id?: string;
  step_id?: string;
  /** Temporal's name of what a worker does. */
  activity?: string;
  /** Try of the activity, from 1. */
  activity_attempt?: number;
}

/** Fields that belong to what a process does at the moment: a request, an activity. They follow it through every await. */
export interface LogContext {
  /** Acts with these fields, on top of those that are there. */
  run<T>(fields: LogFields, act: () => T): T;
  /** Adds what becomes known on the way. Outside of `run` it is lost. */
  add(fields: LogFields): void;
  /**
   * What acts with the fields of now, whatever it is called from later. `AsyncResource.bind` does that too, and keeps two kilobytes for it:
   * too much for every open stream.
   */
  bind<Args extends unknown[]>(act: (...args: Args) => void): (...args: Args) => void;
  /** A copy of the fields. */
  fields(): LogFields;
}

export function createLogContext(): LogContext {
  const storage = new AsyncLocalStorage<LogFields | undefined>();
  return {
    run: (fields, act) => storage.run({ ...storage.getStore(), ...fields }, act),
    add: (fields) => void Object.assign(storage.getStore() ?? {}, fields),
    bind(act) {
      const fields = storage.getStore();
      return (...args) => storage.run(fields, act, ...args);
    },
    fields: () => ({ ...storage.getStore() }),
  };
}
