import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../contracts/refusal';
import { parse } from './body';

const NoQuery = z.strictObject({});

/** For routes that answer in JSON and take no query: what they would pass over in silence is refused, before anything is done. */
export function plain(): RequestHandler {
  return (req, _res, next) => {
    if (req.accepts('application/json') === false) {
      throw new Refusal('not_acceptable', 'This address answers in application/json.');
    }
    parse(NoQuery, { ...req.query }, '/query');
    next();
  };
}
