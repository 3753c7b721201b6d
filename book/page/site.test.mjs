// The site in a headless Chromium: what runs in the pages gives what was recorded, also by keyboard
// and on a narrow screen; without JavaScript and from a file there is what was printed.
//
// SITE is the site's directory, TOOLS has playwright-core and axe-core, CHROMIUM is the browser.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import test, { after, before, describe } from 'node:test';
import { pathToFileURL } from 'node:url';

const { SITE: site, TOOLS: tools, CHROMIUM: executablePath } = process.env;
const require = createRequire(path.join(tools, 'node_modules', 'x.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** Pages of the book; the documentation of the API has checks of its own. */
const pages = readdirSync(site, { recursive: true })
  .filter((file) => file.endsWith('.html') && !file.startsWith('api/'))
  .sort();
const text = (file) => readFileSync(path.join(site, file), 'utf8');
/** Those with a form, without the one that has all chapters. */
const forms = pages.filter((file) => file !== 'print.html' && text(file).includes('class="hachi-run"'));

const TYPES = { '.css': 'text/css', '.html': 'text/html', '.js': 'text/javascript', '.svg': 'image/svg+xml' };
let server;
let origin;
let browser;

before(async () => {
  // As plain as a server can be.
  server = createServer((request, response) => {
    const file = path.join(site, decodeURIComponent(new URL(request.url, 'http://x').pathname));
    if (!file.startsWith(site) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type }).end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  });
});

after(async () => {
  await browser?.close();
  server?.close();
});

/** A page, and what it complains of: messages of the console, and requests that fail or go away. */
async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`));
  page.on('request', (request) => {
    if (!/^(file|data|blob):/.test(request.url()) && !request.url().startsWith(origin)) {
      complaints.push(`${request.url()} is elsewhere`);
    }
  });
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

/** Waits until what was asked has run; what the form shows then. */
async function shown(page, id, runs) {
  await page.waitForSelector(`#${id} .run-result[data-runs="${runs}"], #${id} .run-error`);
  return page.locator(`#${id}`).evaluate((section) => {
    const texts = (selector, of = section) => Array.from(of.querySelectorAll(selector), (e) => e.textContent);
    return {
      error: texts('.run-error')[0],
      verdict: texts('.run-verdict strong')[0],
      fault: texts('.run-result [aria-label="The diagnosis"]')[0],
      log: texts('.run-log li'),
      sequence: texts('.run-result [aria-label="The file"]')[0],
      changes: texts('.run-changes li'),
      maps: Array.from(section.querySelectorAll('.run-map'), (map) => [map.dataset.map, ...Array.from(map.querySelectorAll('tbody tr'), (row) => texts('td', row))]),
      records: texts('.run-records li'),
      lines: Array.from(section.querySelectorAll('.run-ran'), (line) => Number(line.dataset.line)),
    };
  });
}

/** Without what is not there. */
const plain = (value) => JSON.parse(JSON.stringify(value));

/** The same of what was recorded. */
function recorded({ run, maps }, file) {
  const value = ({ cpu, value }) => (cpu === undefined ? value : `${value} on CPU ${cpu}`);
  const lines = run.lines.filter((line) => `/${line.file}`.endsWith(file) && !line.file.includes('hachi-ebpf/'));
  return {
    verdict: run.fault ? undefined : run.meaning,
    fault: run.fault?.text,
    log: run.log.map(({ level, text }) => `${level.toUpperCase()} ${text}`),
    sequence: run.sequence || undefined,
    maps: maps.filter((map) => map.entries?.length).map(({ name, entries }) => [name, ...entries.map(({ key, values }) => [key, values.map(value).join(', ')])]),
    records: maps.flatMap((map) => map.records ?? []),
    lines: [...new Set(lines.map(({ line }) => line))].sort((a, b) => a - b),
  };
}

test('pages have forms', () => {
  assert.ok(forms.length >= 4, `${forms}`);
});

// As many at a time as the smallest machine has processors.
describe('pages', { concurrency: 2 }, () => {
  for (const file of forms) {
    test(`${file}: what runs gives what was recorded`, async () => {
      const { page, complaints, close } = await open(`${origin}/${file}`);
      for (const section of await page.locator('.hachi-run').all()) {
        const id = await section.getAttribute('id');
        await page.waitForSelector(`#${id}[data-ready]`);
        const data = JSON.parse(await section.locator('.run-data').textContent());
        const end = data.form.project ? '/main.rs' : `/${data.form.source.split('/').at(-1)}`;
        let runs = 0;
        for (const [number, preset] of data.form.presets.entries()) {
          await section.locator(`#${id}-preset`).selectOption(String(number));
          await section.locator('.run-go').click();
          runs += 1;
          const { error, changes, ...found } = await shown(page, id, runs);
          assert.equal(error, undefined, `${id}: ${preset.name}`);
          const { kernel, ...record } = data.records[number];
          assert.deepEqual(plain(found), plain(recorded(record, end)), `${id}: ${preset.name}`);
          assert.ok(found.lines.length > 0, `${id}: ${preset.name}: no line ran`);
          if (preset.packet && !record.run.fault) {
            const before = data.packets[preset.packet];
            assert.equal(changes.length > 0, !before.endsWith(record.run.bytes), `${id}: ${preset.name}`);
          }
        }
      }
      assert.deepEqual(complaints, []);
      await close();
    });

    test(`${file}: everyone can use it`, async () => {
      const { page, close } = await open(`${origin}/${file}`);
      const section = page.locator('.hachi-run').first();
      const id = await section.getAttribute('id');
      await page.waitForSelector(`#${id}[data-ready]`);
      for (const headers of await page.locator('.hachi-run details').all()) {
        await headers.evaluate((details) => { details.open = true; });
      }
      // With the keyboard alone: from the first thing to choose to the button.
      await page.locator(`#${id}-preset`).focus();
      const focused = () => page.evaluate(() => document.activeElement.className);
      for (let tabs = 0; (await focused()) !== 'run-go'; tabs += 1) {
        assert.ok(tabs < 80, 'the button is not reached');
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
      await shown(page, id, 1);
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
      const grave = found.violations.filter(({ id: rule, impact, tags }) =>
        ['serious', 'critical'].includes(impact) || /landmark|region/.test(rule) || tags.includes('cat.color'));
      const told = grave.map(({ id: rule, nodes }) => `${rule}: ${nodes.slice(0, 3).map((node) => node.html).join(' ')}`);
      assert.deepEqual(told, []);
      await close();
    });

    test(`${file}: it fits a narrow screen`, async () => {
      const { page, close } = await open(`${origin}/${file}`, { viewport: { width: 360, height: 740 } });
      for (const section of await page.locator('.hachi-run').all()) {
        const id = await section.getAttribute('id');
        await page.waitForSelector(`#${id}[data-ready]`);
        for (const details of await section.locator('details').all()) {
          await details.evaluate((element) => { element.open = true; });
        }
        await section.locator('.run-go').click();
        await shown(page, id, 1);
        const wide = await section.evaluate((of) => {
          const scrolls = (element) => element.closest('.run-scrolled, pre') !== null;
          const all = [of, ...of.querySelectorAll('*')].filter((element) => !scrolls(element) || element.matches('.run-scrolled, pre'));
          return all.filter((element) => element.getBoundingClientRect().right > innerWidth).map((element) => element.outerHTML.slice(0, 80));
        });
        assert.deepEqual(wide, []);
      }
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      await close();
    });

    test(`${file}: without JavaScript, and from a file, there is what was printed`, async () => {
      const url = pathToFileURL(path.join(site, file)).href;
      const ways = [[`${origin}/${file}`, { javaScriptEnabled: false }], [url, {}]];
      for (const [where, options] of ways) {
        const { page, complaints, close } = await open(where, options);
        for (const section of await page.locator('.hachi-run').all()) {
          assert.equal(await section.locator('form').count(), 0);
          const outputs = await section.locator('.run-output').all();
          assert.ok(outputs.length > 0);
          for (const output of outputs) {
            assert.ok(await output.isVisible());
            assert.match(await output.textContent(), /\S/);
          }
        }
        assert.deepEqual(complaints, [], where);
        await close();
      }
    });
  }
});

test('what the reader changes changes what runs', async () => {
  const { page, complaints, close } = await open(`${origin}/03-packets.html`);
  const section = page.locator('#run-who');
  await page.waitForSelector('#run-who[data-ready]');
  await section.locator('summary', { hasText: 'fields' }).click();
  await section.getByLabel('destination port').fill('4711');
  await section.getByLabel('destination port').press('Enter');
  // Enter in a field runs the program, with the field's new value.
  assert.deepEqual((await shown(page, 'run-who', 1)).log, ['INFO UDP to port 4711']);
  await section.getByLabel('destination port').fill('70000');
  await section.getByLabel('destination port').press('Tab');
  assert.match((await shown(page, 'run-who', 9)).error, /from 0 to 65535/);
  await section.getByLabel('Its bytes, in hexadecimal').fill('00 0x');
  await section.locator('.run-go').click();
  assert.match((await shown(page, 'run-who', 9)).error, /“x” is not a hexadecimal digit/);
  await section.getByLabel('How many times').fill('0');
  await section.getByLabel('Its bytes, in hexadecimal').fill('00 00');
  await section.locator('.run-go').click();
  assert.match((await shown(page, 'run-who', 9)).error, /from 1 to 1000/);
  assert.deepEqual(complaints, []);
  await close();
});

test('maps keep what they have until it starts again', async () => {
  const { page, close } = await open(`${origin}/04-maps.html`);
  const section = page.locator('#run-count');
  await page.waitForSelector('#run-count[data-ready]');
  const count = async (runs) => {
    await section.locator('.run-go').click();
    const { maps } = await shown(page, 'run-count', runs);
    return maps.find(([name]) => name === 'PROTOCOLS')[1];
  };
  assert.deepEqual(await count(1), ['1', '1 on CPU 0']);
  assert.deepEqual(await count(2), ['1', '2 on CPU 0']);
  await section.locator('.run-again').click();
  assert.deepEqual(await count(3), ['1', '1 on CPU 0']);
  await close();
});

test('packets of a capture are examples', async () => {
  const { page, close } = await open(`${origin}/02-hello-xdp.html`);
  await page.waitForSelector('#run-hello[data-ready]');
  const file = Buffer.alloc(24 + 16 + 60);
  file.writeUInt32LE(0xa1b2c3d4, 0);
  file.writeUInt32LE(1, 20);
  file.writeUInt32LE(60, 32);
  const input = page.locator('#run-hello-file');
  await input.setInputFiles({ name: 'mine.pcap', mimeType: 'application/x', buffer: file });
  await page.waitForFunction(() => document.querySelector('#run-hello-preset').selectedOptions[0].text.startsWith('mine.pcap'));
  await page.locator('#run-hello .run-go').click();
  assert.deepEqual((await shown(page, 'run-hello', 1)).log, ['INFO hello, packet of 60 bytes']);
  await input.setInputFiles({ name: 'no.pcap', mimeType: 'application/x', buffer: file.subarray(1) });
  await page.waitForSelector('#run-hello .run-error');
  assert.match(await page.locator('#run-hello .run-error').textContent(), /not a capture in pcap/);
  await close();
});

test('each theme can be read', async () => {
  for (const theme of ['light', 'rust', 'coal', 'navy', 'ayu']) {
    const { page, close } = await open(`${origin}/03-packets.html`);
    await page.evaluate((name) => localStorage.setItem('mdbook-theme', name), theme);
    await page.reload();
    assert.ok(await page.evaluate((name) => document.documentElement.classList.contains(name), theme));
    await page.waitForSelector('#run-who[data-ready]');
    for (const details of await page.locator('#run-who details').all()) {
      await details.evaluate((element) => { element.open = true; });
    }
    await page.locator('#run-who .run-go').click();
    await shown(page, 'run-who', 1);
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run('#run-who', { runOnly: ['color-contrast'] }));
    const told = found.violations.flatMap(({ nodes }) => nodes.map((node) => node.failureSummary));
    assert.deepEqual(told, [], theme);
    await close();
  }
});

test('the page of all chapters has all forms', async () => {
  const { page, complaints, close } = await open(`${origin}/print.html`, { javaScriptEnabled: true });
  const all = await page.locator('.hachi-run').count();
  await page.waitForFunction((count) => document.querySelectorAll('.hachi-run[data-ready]').length === count, all);
  const expected = forms.map((file) => text(file).split('class="hachi-run"').length - 1);
  assert.equal(all, expected.reduce((sum, count) => sum + count, 0));
  assert.deepEqual(complaints, []);
  await close();
});

test('links of the book lead somewhere', () => {
  const ids = new Map();
  const idsOf = (file) => {
    if (!ids.has(file)) ids.set(file, new Set(Array.from(text(file).matchAll(/\s(?:id|name)="([^"]+)"/g), ([, id]) => id)));
    return ids.get(file);
  };
  const lost = [];
  for (const file of pages.filter((of) => of !== '404.html')) {
    for (const [, link] of text(file).matchAll(/\s(?:href|src)="([^"]*)"/g)) {
      if (/^(https?|mailto|data|javascript):/.test(link) || link.startsWith('//')) continue;
      const [place, part] = link.replaceAll('&amp;', '&').split('#');
      const target = place === '' ? file : path.join(path.dirname(file), decodeURIComponent(place.split('?')[0]));
      const whole = path.join(site, target);
      if (!existsSync(whole)) lost.push(`${file}: ${link}`);
      else if (part && target.endsWith('.html') && !target.startsWith('api/') && !idsOf(target).has(decodeURIComponent(part))) {
        lost.push(`${file}: ${link}: no such part`);
      }
    }
  }
  assert.deepEqual(lost, []);
});
