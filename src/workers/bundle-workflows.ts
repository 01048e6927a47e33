import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';

/** Ours are `.ts` when run from source and `.js` when built. */
const EXTENSION = extname(__filename);
const SOURCES = ['workflows', 'contracts'].map((folder) => join(__dirname, '..', folder));

/**
 * Builds the workflow bundle into `outFile`, unless the one that is there was built from the same sources. Workers start in half the
 * time with it, and all workers of a release run the same bytes.
 * @returns whether it was built now.
 */
export async function bundleWorkflows({ outFile }: { outFile: string }): Promise<boolean> {
  const mark = `// sources ${sourceHash()}\n`;
  if (existsSync(outFile) && readFileSync(outFile, 'utf8').startsWith(mark)) return false;
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(__dirname, '..', 'workflows', `run.workflow${EXTENSION}`),
    workflowInterceptorModules: [join(__dirname, '..', 'workflows', `interceptors${EXTENSION}`)],
    // Its progress lines are of no interest; a failure is thrown.
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  });
  mkdirSync(dirname(outFile), { recursive: true });
  const draft = `${outFile}.${process.pid}`;
  writeFileSync(draft, mark + code);
  renameSync(draft, outFile); // a worker that starts now sees the old one or the new one, never half of it
  return true;
}

function sourceHash(): string {
  const hash = createHash('sha256').update(readFileSync(require.resolve('@temporalio/worker/package.json')));
  for (const folder of SOURCES) {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    for (const name of names.filter((file) => file.endsWith(EXTENSION)).sort()) {
      hash.update(name).update(readFileSync(join(folder, name)));
    }
  }
  return hash.digest('hex');
}
