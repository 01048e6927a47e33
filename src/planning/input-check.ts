import Ajv, { type ErrorObject, type ValidateFunction } from 'ajv/dist/2020';
import type { ToolCard } from '../contracts/tool';
import {
  escapeKey,
  hasReference,
  holdsReference,
  isReferenceAlone,
  MAX_DEPTH,
  unescapeLiterals,
} from './references';

/** What is wrong with an input: a JSON pointer into it and the end of a sentence about that part. */
export interface InputProblem {
  pointer: string;
  detail: string;
}

type CheckedTool = Pick<ToolCard, 'name' | 'version' | 'input_schema'>;
type ReturningTool = Pick<ToolCard, 'name' | 'version' | 'output_schema'>;

/** Checks inputs against the schemas of tools. */
export interface InputCheck {
  /** An input as the tool would get it. */
  (tool: CheckedTool, input: unknown): InputProblem[];
  /** An input of a plan: what depends on references is left to the time they are filled in. */
  planned(tool: CheckedTool, input: unknown): InputProblem[];
  /** What a tool returned; anything is right where it has no schema for it. */
  output(tool: ReturningTool, output: unknown): InputProblem[];
  /** How many schemas are kept compiled. */
  compiled(): number;
}

/** Problems reported per input: the first ones lead to the rest. */
const MAX_PROBLEMS = 20;
/**
 * Characters of all pointers to what is wrong with an input that are looked at. Thousands of references may stand under one long key, each
 * wrong as a text and with a pointer as long as the key; an input of a megabyte that means something stays far below.
 */
const MAX_PATHS_CHARS = 32_000_000;

/** Judges a text by more than its being a text. */
const TEXT_KEYWORDS = new Set(['minLength', 'maxLength', 'pattern', 'format', 'enum', 'const']);

/** Judge a whole by its parts: with a reference among the parts their verdict has to wait. */
const WHOLE_KEYWORDS = new Set([
  'enum',
  'const',
  'uniqueItems',
  'contains',
  'if',
  'not',
  'oneOf',
  'anyOf',
  'unevaluatedProperties',
  'unevaluatedItems',
]);

const compiler = () =>
  new Ajv({
    allErrors: true,
    ownProperties: true,
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    validateFormats: false,
    addUsedSchema: false,
    logger: false,
  });

/** Why nothing can be checked against a schema, as the end of a sentence about it; null where it is sound. */
export function schemaFault(schema: Record<string, unknown>): string | null {
  try {
    compiler().compile(schema);
    return null;
  } catch (error) {
    return `is no JSON Schema: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Makes an input check that compiles each schema once and keeps it by name and version of the tool. */
export function createInputCheck(): InputCheck {
  const ajv = compiler();
  const compiled = new Map<string, ValidateFunction | null>();

  const errorsBy = (
    key: string,
    schema: Record<string, unknown>,
    value: unknown,
  ): ErrorObject[] | InputProblem => {
    if (isTooDeep(value)) return { pointer: '', detail: `is nested deeper than ${MAX_DEPTH} levels` };
    let validate = compiled.get(key);
    if (validate === undefined) {
      validate = compile(ajv, schema);
      compiled.set(key, validate);
    }
    if (validate === null)
      return { pointer: '', detail: 'cannot be checked: the schema of the tool is broken' };
    return validate(value) ? [] : (validate.errors ?? []);
  };
  const errorsOf = ({ name, version, input_schema }: CheckedTool, input: unknown) =>
    errorsBy(JSON.stringify([name, version]), input_schema, input);

  const checkInput = (tool: CheckedTool, input: unknown): InputProblem[] => {
    const errors = errorsOf(tool, input);
    return Array.isArray(errors) ? problemsOf(errors) : [errors];
  };
  const planned = (tool: CheckedTool, input: unknown): InputProblem[] => {
    // What is too deep is refused as it is; a copy is only made where something is escaped.
    const isAsMeant = isTooDeep(input) || !JSON.stringify(input).includes('{{');
    const errors = errorsOf(tool, isAsMeant ? input : unescapeLiterals(input));
    if (!Array.isArray(errors)) return [errors];
    const chars = errors.reduce((sum, { instancePath }) => sum + instancePath.length, 0);
    if (chars > MAX_PATHS_CHARS)
      return [{ pointer: '', detail: 'is wrong in too many places under long keys' }];
    return problemsOf(withoutOpen(errors, input));
  };
  const output = ({ name, version, output_schema }: ReturningTool, value: unknown): InputProblem[] => {
    if (output_schema === undefined) return [];
    const errors = errorsBy(JSON.stringify([name, version, 'output']), output_schema, value);
    return Array.isArray(errors) ? problemsOf(errors) : [errors];
  };
  return Object.assign(checkInput, { planned, output, compiled: () => compiled.size });
}

function compile(ajv: Ajv, schema: Record<string, unknown>): ValidateFunction | null {
  try {
    return ajv.compile(schema);
  } catch {
    return null;
  }
}

/** Leaves out the errors that a reference may still put right. */
function withoutOpen(errors: ErrorObject[], input: unknown): ErrorObject[] {
  if (errors.length === 0 || !holdsReference(input)) return errors;
  const open = new Set<ErrorObject>();
  for (const error of errors) {
    const at = valueAt(input, error.instancePath);
    if (typeof at === 'string' && hasReference(at)) {
      if (isReferenceAlone(at) || TEXT_KEYWORDS.has(error.keyword)) open.add(error);
    }
  }
  // One place may have thousands of errors.
  const changing = new Map<string, boolean>();
  const mayChange = (path: string): boolean => {
    const known = changing.get(path) ?? holdsReference(valueAt(input, path));
    changing.set(path, known);
    return known;
  };
  for (const [index, error] of errors.entries()) {
    if (!WHOLE_KEYWORDS.has(error.keyword) || !mayChange(error.instancePath)) continue;
    const branches = branchesOf(errors, index);
    const isAlternative = error.keyword === 'anyOf' || error.keyword === 'oneOf';
    if (isAlternative && branches.length > 0 && !hasOpenBranch(error, branches, open)) continue;
    open.add(error);
    for (const branch of branches) open.add(branch);
  }
  return errors.filter((error) => !open.has(error));
}

/** The errors of the branches of a keyword: they come right before its own, inner ones first, and are about the same part or within it. */
function branchesOf(errors: readonly ErrorObject[], index: number): ErrorObject[] {
  const { instancePath, schemaPath } = errors[index]!;
  const branches: ErrorObject[] = [];
  for (let at = index - 1; at >= 0; at -= 1) {
    const before = errors[at]!;
    if (before.instancePath !== instancePath && !before.instancePath.startsWith(`${instancePath}/`)) break;
    if (before.instancePath === instancePath && before.schemaPath === schemaPath) break; // of its own branches
    if (before.schemaPath.startsWith(`${schemaPath}/`)) branches.push(before);
  }
  return branches;
}

/** Whether some branch fails only by what a reference may put right. */
function hasOpenBranch(error: ErrorObject, branches: ErrorObject[], open: ReadonlySet<ErrorObject>): boolean {
  const failing = new Map<string, boolean>();
  for (const branch of branches) {
    const number = branch.schemaPath.slice(error.schemaPath.length + 1).split('/', 1)[0] as string;
    failing.set(number, (failing.get(number) ?? true) && open.has(branch));
  }
  return [...failing.values()].some(Boolean);
}

function problemsOf(errors: ErrorObject[]): InputProblem[] {
  const problems = new Map<string, InputProblem>();
  for (const error of errors) {
    const problem = problemOf(error);
    problems.set(`${problem.pointer} ${problem.detail}`, problem);
    if (problems.size === MAX_PROBLEMS) break;
  }
  return [...problems.values()];
}

function problemOf({ keyword, instancePath, params, message }: ErrorObject): InputProblem {
  const named = params as {
    missingProperty?: string;
    additionalProperty?: string;
    allowedValues?: unknown[];
  };
  if (keyword === 'required' && named.missingProperty !== undefined) {
    return { pointer: `${instancePath}/${escapeKey(named.missingProperty)}`, detail: 'is missing' };
  }
  if (keyword === 'additionalProperties' && named.additionalProperty !== undefined) {
    return { pointer: `${instancePath}/${escapeKey(named.additionalProperty)}`, detail: 'is not taken' };
  }
  if (keyword === 'enum' && named.allowedValues) {
    const values = named.allowedValues.slice(0, 5).map((value) => JSON.stringify(value));
    return { pointer: instancePath, detail: `must be one of ${values.join(', ')}` };
  }
  return { pointer: instancePath, detail: message ?? `fails \`${keyword}\`` };
}

/** The value a pointer leads to; undefined where it leads nowhere. */
function valueAt(value: unknown, pointer: string): unknown {
  let at = value;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

/**
 * Whether objects and arrays nest deeper than `MAX_DEPTH`. Level by level, so that depth costs no stack; what holds nothing is passed
 * over, of which there may be half a million.
 */
export function isTooDeep(value: unknown): boolean {
  let level = [value].filter(isHolder);
  for (let depth = 0; depth <= MAX_DEPTH; depth += 1) {
    const next: object[] = [];
    for (const holder of level) {
      for (const child of Object.values(holder)) if (isHolder(child)) next.push(child);
    }
    if (next.length === 0) return false;
    level = next;
  }
  return true;
}

function isHolder(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
