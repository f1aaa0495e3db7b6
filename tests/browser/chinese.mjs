// What must not stand in a page in Traditional Chinese: English sentences, and characters that only Simplified Chinese has.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** The characters of tests/report/catalogue_test.cc, so that the list stands in one place. */
export function readSimplified() {
  const source = readFileSync(new URL('../report/catalogue_test.cc', import.meta.url), 'utf8');
  const list = source.match(/kSimplifiedOnly =([^;]*);/);
  const characters = new Set([...(list?.[1] ?? '')].filter((character) => /\p{Script=Han}/u.test(character)));
  assert.ok(characters.size > 400, 'kSimplifiedOnly of tests/report/catalogue_test.cc was not found');
  return characters;
}

export function simplifiedCharacters(text, simplified) {
  return [...new Set([...text].filter((character) => simplified.has(character)))];
}

/** Three words in a row, outside quotes (prompts), paths and names of things with digits or capitals inside. */
export function englishSentences(lines) {
  const sentence = /\b[A-Za-z][a-z']+(?:[ ,]+[a-z][a-z']+){2,}/;
  return lines.map((line) => line.replace(/「[^」]*」|“[^”]*”/g, ' · ')).filter((line) => sentence.test(line));
}
