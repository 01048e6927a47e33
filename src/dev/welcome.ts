import type { StackUrls } from './supervisor';

/** The screen that `npm start` shows when the stack is ready: addresses, and commands that work when they are pasted one after the other. */
export function welcome({
  api_url,
  key,
  database_url,
  temporal_ui_url,
  temporal_address,
  logs,
}: StackUrls): string {
  const authorization = `-H 'Authorization: Bearer ${key}'`;
  const goal = `{"goal":"calculate 6 * 7 and 10 / 4, then add both results as todos and list my todos"}`;
  return `
Longhaul is ready.

  API        ${api_url}
  Temporal   ${temporal_ui_url ?? temporal_address}
  Postgres   psql '${database_url}'
  Logs       ${logs}

Submit a run and keep its id:

  run=$(curl -sS ${api_url}/v1/runs ${authorization} -H 'Content-Type: application/json' \\
    -d '${goal}' | tee /dev/stderr | grep -o 'run_[0-9A-Za-z]*' | head -n 1)

Follow its events:

  curl -sSN ${api_url}/v1/runs/$run/events ${authorization} -H 'Accept: text/event-stream'

Or look at it from the command line:

  npm run -s longhaul -- runs watch $run

Ctrl-C stops everything; a second one does so at once.
`;
}
