import { z } from 'zod';
import { FAILURES, isFailureCode, isRetryable, type FailureCode } from '../../src/contracts/failure';

const Part = z.strictObject({ pointer: z.string(), code: z.string(), detail: z.string() });

/** A problem document with every member that clients may rely on, and no other unless it is listed here. */
const Problem = z.strictObject({
  type: z.url(),
  title: z.string().min(1),
  status: z.number().int(),
  detail: z.string().min(1),
  instance: z.string().min(1),
  code: z.custom<FailureCode>(isFailureCode),
  request_id: z.string().min(1),
  retryable: z.boolean(),
  run_id: z.string().nullable(),
  hint: z.string().min(1),
  errors: z.array(Part),
  error: z.strictObject({
    message: z.string(),
    type: z.enum([
      'authentication_error',
      'not_found_error',
      'rate_limit_error',
      'invalid_request_error',
      'api_error',
    ]),
    code: z.string(),
    param: z.string().nullable(),
  }),
  last_seq: z.number().int().optional(),
  first_available_seq: z.number().int().optional(),
  retry_after_s: z.number().int().min(1).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** Words of the inside that no client may read: stacks, statements, tables, addresses of files, drivers, secrets. */
const INSIDE =
  /node_modules|\.[jt]s:\d|\bat \w+ \(|\bselect\b.*\bfrom\b|insert into|api_keys|ECONN|pg_|postgres:\/\/|lh_[A-Za-z0-9_-]{20}/i;

/** Reads a reply that must be a problem document of this code, whole and consistent, and returns it. */
export async function problemIn(
  reply: Response,
  code: FailureCode,
  { pointers }: { pointers?: string[] } = {},
): Promise<Problem> {
  const text = await reply.text();
  expect({ status: reply.status, type: reply.headers.get('content-type'), text }).toMatchObject({
    status: (FAILURES[code] as { status?: number }).status,
    type: 'application/problem+json; charset=utf-8',
  });
  return checkProblem(text, reply.headers.get('x-request-id'), code, pointers);
}

/** The same for a reply that came over a raw socket. */
export function checkProblem(
  text: string,
  request_id: string | null,
  code: FailureCode,
  pointers?: string[],
): Problem {
  expect(text).not.toMatch(INSIDE);
  const problem = Problem.parse(JSON.parse(text));
  const { status, title, hint } = FAILURES[code] as { status: number; title: string; hint: string };
  expect(problem).toMatchObject({ code, status, title, hint, request_id });
  expect(problem.type).toBe(`http://longhaul.test/errors/${code}`);
  expect(problem.retryable).toBe(isRetryable(code));
  expect(problem.error).toMatchObject({ message: problem.detail, code });
  if (pointers !== undefined) expect(problem.errors.map(({ pointer }) => pointer)).toEqual(pointers);
  return problem;
}
