/** What the OpenAPI document says of a value, as far as bad values are made of it. */
export interface Schema {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | false;
  propertyNames?: Schema;
  items?: Schema;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  format?: string;
}

/** A body that is wrong in one place. */
export interface BadBody {
  /** The field that is wrong, as a JSON pointer. */
  pointer: string;
  what: string;
  body: unknown;
}

type Named = [what: string, value: unknown];
/** Keys of objects that must never reach a merge, as own properties, which only JSON makes of `__proto__`. */
const hostileKey = (key: string): unknown => JSON.parse(`{${JSON.stringify(key)}:{"polluted":true}}`);

const OF_EACH_TYPE: Record<string, Named[]> = {
  null: [['null', null]],
  number: [
    ['a number', 7],
    ['a fraction', 1.5],
    ['a huge number', 1e308],
  ],
  string: [
    ['text', 'text'],
    ['no text', ''],
  ],
  boolean: [['a boolean', true]],
  array: [
    ['a list', []],
    ['a list in a list', [[]]],
  ],
  object: [
    ['an object', {}],
    ['an object with a field', { a: 1 }],
  ],
};

/** Every body that has one wrong value in one field, for every field of the schema however deep, and every kind of wrong. */
export function badBodies(root: Schema, schemas: Record<string, Schema>): BadBody[] {
  const resolved = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : schemas[schema.$ref.split('/').at(-1)!]!;

  function* walk(
    given: Schema,
    pointer: string,
    place: (value: unknown) => unknown,
    above: readonly string[],
  ): Generator<BadBody> {
    if (pointer !== '') {
      for (const [what, value] of wrongValues(resolved(given))) yield { pointer, what, body: place(value) };
    }
    if (given.$ref !== undefined && above.includes(given.$ref)) return; // a condition within a condition, and so on
    const refs = given.$ref === undefined ? above : [...above, given.$ref];
    const schema = resolved(given);
    for (const form of schema.anyOf ?? [schema]) {
      const sample = sampleOf(form) as object;
      for (const [name, of] of Object.entries(form.properties ?? {})) {
        yield* walk(of, `${pointer}/${name}`, (value) => place({ ...sample, [name]: value }), refs);
      }
      if (form.type === 'object') yield* wrongKeys(form, pointer, (more) => place({ ...sample, ...more }));
      const { additionalProperties: others, items } = form;
      if (others) yield* walk(others, `${pointer}/key`, (value) => place({ key: value }), refs);
      if (items !== undefined) yield* walk(items, `${pointer}/0`, (value) => place([value]), refs);
    }
  }

  function* wrongKeys(
    { properties, additionalProperties, propertyNames }: Schema,
    pointer: string,
    place: (more: object) => unknown,
  ): Generator<BadBody> {
    const keys = ['__proto__', 'a\0', '\ud800'];
    // Whatever the document says: an object that names its fields takes no others.
    if (properties !== undefined || additionalProperties === false)
      keys.push('constructor', 'toString', 'nothing');
    if (propertyNames?.minLength === 1) keys.push('', 'k'.repeat(propertyNames.maxLength! + 1));
    for (const key of keys) {
      const body = place(hostileKey(key) as object);
      yield { pointer: `${pointer}/${key}`, what: 'no field', body };
    }
  }

  function sampleOf(given: Schema): unknown {
    const schema = resolved(given);
    const [first] = schema.enum ?? schema.anyOf ?? [];
    if (schema.enum) return first;
    if (schema.anyOf) return sampleOf(first as Schema);
    if (schema.type === 'object') {
      const needed = schema.required ?? [];
      return Object.fromEntries(needed.map((name) => [name, sampleOf(schema.properties![name]!)]));
    }
    if (schema.type === 'array') return schema.minItems ? [sampleOf(schema.items!)] : [];
    return schema.type === 'string' ? 'a' : (schema.minimum ?? 1);
  }

  function wrongValues(schema: Schema): Named[] {
    const types = typesOf(schema);
    const anything = types.size === 0;
    const wrong: Named[] = anything
      ? []
      : Object.entries(OF_EACH_TYPE).flatMap(([type, values]) => (types.has(type) ? [] : values));
    if (anything || types.has('string')) {
      wrong.push(['a NUL', 'a\0b'], ['half a character', 'a\ud800'], ['the other half', '\udfffa']);
    }
    if (schema.enum) wrong.push(['another word', 'nothing'], ['a word of every object', 'constructor']);
    if (schema.type === 'integer') wrong.push(['a fraction', 1.5], ['a huge number', 1e308]);
    if (schema.minimum !== undefined) wrong.push(['too little', schema.minimum - 1]);
    if (schema.minLength) wrong.push(['no text', '']);
    if (schema.maxLength !== undefined) wrong.push(['too long a text', 'x'.repeat(schema.maxLength + 1)]);
    if (schema.maxItems !== undefined) {
      wrong.push(['too long a list', Array(schema.maxItems + 1).fill(sampleOf(schema.items!))]);
    }
    return wrong;
  }

  /** The types that are right; none where anything is. */
  function typesOf(given: Schema): Set<string> {
    const schema = resolved(given);
    if (schema.anyOf) return new Set(schema.anyOf.flatMap((form) => [...typesOf(form)]));
    if (schema.type === undefined) return new Set();
    return new Set([schema.type === 'integer' ? 'number' : schema.type]);
  }

  return [...walk(root, '', (value) => value, [])];
}

/** Wrong texts for a query parameter, with how they are written there. */
export function badTexts(name: string, schema: Schema): string[] {
  const written = (text: string) => `${name}=${encodeURIComponent(text)}`;
  const texts: Record<string, string[]> = {
    integer: ['', 'x', '-1', '1.5', '1e3', '0x1', ' 1', '9'.repeat(400), String((schema.maximum ?? 0) + 1)],
    boolean: ['', 'yes', '1', 'True'],
    array: ['', 'nothing', 'constructor', ',', '__proto__'],
  };
  const own = [...(texts[schema.type!] ?? [])];
  if (schema.format === 'date-time')
    own.push('', '0', 'yesterday', '2026-13-01T00:00:00Z', '2026-01-01T00:00:00');
  if (schema.enum) own.push('', 'nothing', '__proto__');
  if (schema.minLength) own.push('');
  if (schema.maxLength !== undefined) own.push('x'.repeat(schema.maxLength + 1));
  const more = ['\0', `${name}\0`].map(written);
  if (schema.type !== 'array') more.push(`${name}=1&${name}=1`);
  return [...own.map(written), ...more, `${name}[x]=1`, `${name}[__proto__]=1`, `${name}[][]=1`];
}
