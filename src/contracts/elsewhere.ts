/** Where a body is that is too large to travel: its size as JSON, and the address under the API's own where it is read. */
export interface Elsewhere {
  bytes: number;
  url: string;
}
