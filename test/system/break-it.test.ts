import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readDocument } from '../support/documents';
import { startSystem, type System } from '../support/stack';

const ROOT = join(__dirname, '../..');
const EXAMPLE = 'examples/break-it';
const PACKS = [`${EXAMPLE}/tools.mjs`, 'examples/printer/tools.mjs'];

/** What differs from one time to the next: ids, durations, times. */
const alike = (line: string) =>
  line
    .replace(/run_[0-9A-Z]{26}/g, 'run_…')
    .replace(/\b\d+ ms/g, '… ms')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '…')
    .trim();
const linesOf = (text: string) => text.split('\n').map(alike);

/** The blocks of a document: a script, and the lines that are shown below it. */
function storyIn(markdown: string): { script: string; shown: string[] }[] {
  const story: { script: string; shown: string[] }[] = [];
  for (const [, kind, text = ''] of markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)) {
    if (kind === 'sh' || kind === 'bash') story.push({ script: text, shown: [] });
    else story.at(-1)?.shown.push(...linesOf(text).filter(Boolean));
  }
  return story;
}

let folder: string;
let system: System;
beforeAll(async () => {
  // The project as a newcomer has it, in a folder where its tool may be mended.
  folder = mkdtempSync(join(tmpdir(), 'longhaul-break-it-'));
  cpSync(join(ROOT, 'examples'), join(folder, 'examples'), { recursive: true });
  for (const name of ['package.json', 'bin', 'node_modules'])
    symlinkSync(join(ROOT, name), join(folder, name));
  system = await startSystem({ folder, settings: { LONGHAUL_TOOL_PACKS: PACKS.join(',') } });
  mkdirSync(join(folder, '.longhaul'));
  writeFileSync(join(folder, '.longhaul/development-key'), `${system.key}\n`);
});
afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs one block after the others, in the shell that they were run in, so to speak. @returns the lines of both its outputs */
async function typed(script: string): Promise<string[]> {
  const whole = `touch shell; . ./shell\n${script.replaceAll('http://127.0.0.1:3000', system.api_url)}
    { declare -f longhaul; declare -p run new fork; } > shell 2> /dev/null; true`;
  const env = { ...process.env, LONGHAUL_API_URL: system.api_url, LONGHAUL_API_KEY: system.key };
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', whole], { cwd: folder, env });
  return linesOf(`${stdout}\n${stderr}`);
}

/** Types a block, and sees what the document shows. */
async function follow({ script, shown }: { script: string; shown: string[] }): Promise<void> {
  const lines = await typed(script);
  const missing = shown.filter((line) => !lines.includes(line));
  expect({ script, missing, lines }).toEqual({ script, missing: [], lines });
}

test('the example goes as the README says, line by line', async () => {
  const [, section] = /^## Break it on purpose$([^]*?)^## /m.exec(readDocument('README.md'))!;
  const story = storyIn(section!);
  expect(story.length).toBeGreaterThan(5);
  for (const block of story) {
    await follow(block);
    if (block.script.includes('sed -i')) {
      await Promise.all([system.api.stop(), system.worker.stop()]);
      await Promise.all([system.startApi(system.api.port), system.startWorker()]);
    }
  }
  const calls = readFileSync(join(folder, '.longhaul/break-it.log'), 'utf8').trimEnd().split('\n');
  const times = (step: string) => calls.filter((line) => line.startsWith(`${step}: `)).length;
  expect([calls.length, ...['flour', 'eggs', 'total', 'receipt'].map(times)]).toEqual([8, 1, 2, 3, 2]);
});

test('the printer of the guide to tools jams, and a person answers, as the guide says', async () => {
  const story = storyIn(readDocument('docs/guides/tools.md'));
  expect(story.map(({ shown }) => shown.length > 0)).toEqual([true, true]);
  for (const block of story) await follow(block);
  expect(readFileSync(join(folder, '.longhaul/printer'), 'utf8')).toBe('Dear Ann,\nhere is a staple.\n');
});
