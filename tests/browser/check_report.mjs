// report.html in a real browser: node check_report.mjs PAGES SCREENSHOTS
//
// For every page: nothing leaves it, no console message, the same text with JavaScript off, no serious finding of axe in either
// colour scheme, nothing wider than a telephone's screen, the right `lang`; in Chinese no English sentence and no Simplified character.
// bad.zh-TW.html has each of these faults; every kind must be found there, or the checks see nothing.
// Set by run.sh: FQLAB_BROWSER (the program), FQLAB_BROWSER_MODULES (the folder that holds node_modules).
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { englishSentences, readSimplified, simplifiedCharacters } from './chinese.mjs';

const [pagesFolder, screenshots] = process.argv.slice(2).map((path) => resolve(path));
const require = createRequire(join(process.env.FQLAB_BROWSER_MODULES, 'package.json'));
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [360, 1440];
const SCHEMES = ['light', 'dark'];
const LANGUAGES = { en: 'en', 'zh-TW': 'zh-Hant-TW' };

let problems = [];
const kinds = new Set();
let checks = 0;
function expect(page, what, found) {
  checks += 1;
  kinds.add(what);
  if (found.length > 0) problems.push({ page, what, found: found.slice(0, 5).join(' | ') });
}

/** A fresh context on one page; what it asked for and what it said are collected in the arrays that come back. */
async function open(browser, file, options) {
  const context = await browser.newContext({ locale: 'en-US', ...options });
  const page = await context.newPage();
  const requests = [], messages = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => messages.push(String(error)));
  const address = pathToFileURL(file).href;
  await page.goto(address, { waitUntil: 'load' });
  await page.waitForTimeout(100); // a late request would come now
  return { context, page, messages, foreign: () => requests.filter((url) => url !== address) };
}

/** Text of the page a reader sees as prose: without code, what models said, and the environment's own names. */
function prose(page) {
  return page.evaluate(() => {
    const copy = document.body.cloneNode(true);
    for (const element of copy.querySelectorAll('code, pre, .pair, [id^=prompt-], style, script, title')) element.replaceWith(' · ');
    const lines = [];
    for (const element of copy.querySelectorAll('h1, h2, h3, h4, p, li, th, td, caption, figcaption, summary, dt, dd, a, text, desc, span, div')) {
      const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent).join(' ');
      if (own.trim()) lines.push(own.trim());
    }
    for (const element of document.querySelectorAll('[aria-label], [data-label], [title]'))
      for (const name of ['aria-label', 'data-label', 'title']) if (element.hasAttribute(name)) lines.push(element.getAttribute(name));
    return lines;
  });
}

async function checkPage(browser, file, simplified) {
  const name = basename(file, '.html');
  const language = name.split('.').pop();
  const texts = [];
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const { context, page, messages, foreign } = await open(browser, file, { colorScheme, viewport: { width, height: 900 } });
      const where = `${name}, ${width} px, ${colorScheme}`;
      texts.push(await page.locator('body').innerText());
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(where, 'wider than the screen by pixels', overflow > 0 ? [overflow] : []);
      if (!name.startsWith('bad')) await page.screenshot({ path: join(screenshots, `${name}.${width}.${colorScheme}.png`), fullPage: true });
      if (colorScheme === 'light' && width === 1440) {
        const lang = await page.evaluate(() => document.documentElement.lang);
        expect(where, `lang is not ${LANGUAGES[language]}`, lang === LANGUAGES[language] ? [] : [lang]);
        if (language === 'zh-TW') {
          const lines = await prose(page);
          assert.ok(lines.length > 20, `${name}: the page has hardly any text`);
          expect(where, 'an English sentence', englishSentences(lines));
          expect(where, 'a Simplified character', simplifiedCharacters(lines.join(''), simplified));
        }
      }
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(where, 'axe', serious.map(({ id, nodes }) => `${id} (${nodes.length}x): ${nodes[0].html.slice(0, 120)}`));
      expect(where, 'a request left the page', foreign());
      expect(where, 'console', messages);
      await context.close();
    }
  }
  const { context, page, messages, foreign } = await open(browser, file, { javaScriptEnabled: false, viewport: { width: 1440, height: 900 } });
  expect(`${name}, JavaScript off`, 'another text than with JavaScript', (await page.locator('body').innerText()) === texts[1] ? [] : ['differs']);
  const summary = page.locator('details > summary').first();
  if ((await summary.count()) > 0) {
    await summary.focus();
    await page.keyboard.press('Enter');
    const table = page.locator('details').first().locator('table').first();
    expect(`${name}, JavaScript off`, 'the first data table does not open by keyboard', (await table.isVisible()) ? [] : ['closed']);
  }
  expect(`${name}, JavaScript off`, 'a request left the page', foreign());
  expect(`${name}, JavaScript off`, 'console', messages);
  await context.close();
}

const files = readdirSync(pagesFolder).filter((name) => name.endsWith('.html')).sort().map((name) => join(pagesFolder, name));
assert.ok(files.length >= 2, `no pages in ${pagesFolder}`);
mkdirSync(screenshots, { recursive: true });
const simplified = readSimplified();
const browser = await chromium.launch({ executablePath: process.env.FQLAB_BROWSER, args: ['--no-sandbox', '--disable-gpu'] });
try {
  await checkPage(browser, fileURLToPath(new URL('bad.zh-TW.html', import.meta.url)), simplified);
  const missed = [...kinds].filter((kind) => !problems.some(({ what }) => what === kind));
  assert.deepEqual(missed, [], 'faults of bad.zh-TW.html that were not found');
  problems = [];
  for (const file of files) await checkPage(browser, file, simplified);
} finally {
  await browser.close();
}
for (const { page, what, found } of problems) console.log(`${page}: ${what}: ${found}`);
console.log(`browser: ${files.length} pages, ${checks} checks, ${problems.length} problems; screenshots in ${screenshots}`);
process.exit(problems.length > 0 || checks === 0 ? 1 : 0);
