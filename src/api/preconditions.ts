import type { Request, Response } from 'express';
import { Refusal } from '../contracts/refusal';
import type { RunRow } from '../db/runs';

/** The headers by which clients say what they have seen, for the reference. */
export const IF_NONE_MATCH = { 'If-None-Match': 'An `ETag`: 304 when nothing has changed since.' };
export const IF_MATCH = { 'If-Match': 'An `ETag`: 412 when something has changed since.' };
export const ETAG = { ETag: 'Changes with the object.' };

/** The tag of a run: its revision, which counts every change of its row. What was expanded with it is told apart. */
export function tagOf({ revision }: RunRow, expanded: readonly string[] = []): string {
  return `"${[revision, ...expanded].join('-')}"`;
}

/** Says what the reply is tagged with. */
export function tag(res: Response, tagged: string): void {
  res.setHeader('ETag', tagged);
}

/**
 * Whether the client says that it has this already. Not left to Express, which never says so to a client that sends `Cache-Control: no-cache`:
 * `fetch` adds that to every request with an `If-None-Match`, and it speaks to caches on the way, not to us.
 */
export function hasAlready(req: Request, tagged: string): boolean {
  const header = req.headers['if-none-match'];
  if (header === undefined) return false;
  return header.split(',').some((text) => ['*', tagged, `W/${tagged}`].includes(text.trim()));
}

/** Tags the reply and sends it, or 304 where the client has it already. */
export function sendTagged(req: Request, res: Response, tagged: string, json: string): void {
  tag(res, tagged);
  if (hasAlready(req, tagged)) return void res.status(304).end();
  res.type('application/json').send(json);
}

/** The revision a client wants to change, or null: whatever it is. @throws Refusal `precondition_failed` for what is no tag of a run. */
export function revisionWanted(req: Request): number | null {
  const header = req.headers['if-match'];
  if (header === undefined || header === '*') return null;
  const revision = /^(?:W\/)?"(\d{1,15})(?:-[a-z-]+)?"$/.exec(header)?.[1];
  if (revision === undefined) throw changed();
  return Number(revision);
}

export function changed(): Refusal {
  return new Refusal('precondition_failed', 'The run is not what `If-Match` says.');
}
