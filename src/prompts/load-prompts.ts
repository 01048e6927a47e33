import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Prompt, type PromptText } from './prompt';
import { placesOf } from './render';

/** At the root of the repository, beside package.json. */
const FOLDER = join(__dirname, '../../prompts');

/** Every prompt, and the values that its user text is given; a corrective text is given what was wrong. */
const GIVEN = {
  planner: ['tools', 'max_steps', 'goal', 'feedback'],
  judge: ['tools', 'goal', 'steps'],
  answer: ['goal', 'steps'],
} as const;
const GIVEN_TO_CORRECTIVE = ['problem'] as const;

export type Prompts = Record<keyof typeof GIVEN, Prompt>;

/**
 * Reads all prompts, once, when a process starts: what is wrong in one shows then and not in the middle of a run.
 * @throws Error naming the file, and the variable or field, of everything that is wrong.
 */
export function loadPrompts(folder = FOLDER): Prompts {
  const wrong: string[] = [];
  const prompts: Partial<Prompts> = {};
  for (const name of Object.keys(GIVEN) as (keyof Prompts)[]) {
    const file = `${name}.yaml`;
    const read = readPrompt(name, () => readFileSync(join(folder, file), 'utf8'));
    if (Array.isArray(read)) wrong.push(...read.map((what) => `${file}: ${what}`));
    else prompts[name] = read;
  }
  if (wrong.length > 0)
    throw new Error(`These prompts are wrong:\n${wrong.map((line) => `  ${line}`).join('\n')}`);
  return prompts as Prompts;
}

/** The prompt, or everything that is wrong with it. */
function readPrompt(name: keyof Prompts, read: () => string): Prompt | string[] {
  let document: unknown;
  try {
    document = parse(read());
  } catch (error) {
    return [`cannot be read: ${(error as Error).message}`];
  }
  const parsed = Prompt.safeParse(document);
  if (!parsed.success)
    return parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`);
  const prompt = parsed.data;
  const wrong = [
    ...placesOf(prompt.system).map((place) => `system: {{${place}}} would put data among the instructions`),
    ...wrongIn('user', prompt.user, GIVEN[name]),
    ...wrongIn('corrective', prompt.corrective, GIVEN_TO_CORRECTIVE),
  ];
  if (prompt.name !== name) wrong.push(`name: is "${prompt.name}" and not that of the file`);
  return wrong.length > 0 ? wrong : prompt;
}

/** Places, declared variables and given values are the same names: anything else is a slip of the pen. */
function wrongIn(part: string, { text, variables }: PromptText, given: readonly string[]): string[] {
  const places = placesOf(text);
  return [
    ...places
      .filter((place) => !variables.includes(place))
      .map((place) => `${part}: {{${place}}} is not among its variables`),
    ...variables
      .filter((variable) => !places.includes(variable))
      .map((variable) => `${part}: the variable ${variable} is not used`),
    ...variables
      .filter((variable) => !given.includes(variable))
      .map(
        (variable) => `${part}: the variable ${variable} is given by nobody; known are ${given.join(', ')}`,
      ),
    ...given
      .filter((value) => !variables.includes(value))
      .map((value) => `${part}: the variable ${value} is missing`),
  ];
}
