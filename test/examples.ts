/**
 * Reads and runs the examples of doc comments: each `@example` is plain JavaScript over given names, and a line
 * `expression; // => JSON` is an assertion.
 */
import { expect } from 'vitest';

/** The examples of a source text, without their comment marks. */
export function examplesOf(source: string): string[] {
  return Array.from(source.matchAll(/@example\n((?: *\* .*\n)+)/g), (match) =>
    match[1].replace(/^ *\* ?/gm, ''),
  );
}

/** Runs one example and checks what it promises. */
export function runExample(example: string, names: Readonly<Record<string, unknown>>): void {
  const body = example.replace(
    /^(.+); \/\/ => (.+)$/gm,
    (_, expression, json) => `check(${expression}, ${JSON.stringify(json)});`,
  );
  const check = (value: unknown, json: string) => expect(value).toEqual(JSON.parse(json));
  new Function('check', ...Object.keys(names), body)(check, ...Object.values(names));
}
