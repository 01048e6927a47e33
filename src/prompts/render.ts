import type { PromptText } from './prompt';

/** A place for a value; group 1 is its name. */
const PLACE = /\{\{([^{}\s]+)\}\}/g;

/** Names of the places of a text, in the order they stand, without doubles. */
export function placesOf(text: string): string[] {
  return [...new Set([...text.matchAll(PLACE)].map(([, name]) => name as string))];
}

/**
 * Puts values in their places, each as one line of JSON. A text is replaced once: what a value holds is never a place. A closing
 * tag inside a value is written `<\/`, which JSON reads as the same text, so that no value can end the block it stands in.
 * @throws Error when a value is not given.
 */
export function render({ text }: PromptText, values: Readonly<Record<string, unknown>>): string {
  return text.replace(PLACE, (_place, name: string) => {
    const json = Object.hasOwn(values, name) ? JSON.stringify(values[name]) : undefined;
    if (json === undefined) throw new Error(`No value is given for {{${name}}}.`);
    return json.replaceAll('</', '<\\/');
  });
}
