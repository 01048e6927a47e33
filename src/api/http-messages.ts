import { IncomingMessage, ServerResponse } from 'node:http';
import type { Express } from 'express';

/**
 * The classes of the requests and replies of a server that serves an Express application. Express gives each one its methods by exchanging
 * its prototype. What is added to it from then on makes V8 describe its shape anew for each, two kilobytes that an open stream keeps; so
 * these have that prototype from their making.
 */
export function messagesOf(app: Express): {
  IncomingMessage: typeof IncomingMessage;
  ServerResponse: typeof ServerResponse;
} {
  class ApiRequest extends IncomingMessage {}
  class ApiResponse extends ServerResponse {}
  app.request = Object.setPrototypeOf(ApiRequest.prototype, app.request);
  app.response = Object.setPrototypeOf(ApiResponse.prototype, app.response);
  return { IncomingMessage: ApiRequest, ServerResponse: ApiResponse as typeof ServerResponse };
}
