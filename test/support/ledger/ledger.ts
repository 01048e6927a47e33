import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHits, type Hit } from './hit';

/** A ledger that runs: what tools hit, and what the test reads from its file. */
export interface Ledger {
  readonly url: string;
  /** All requests of a run so far, in the order of their arrival. */
  hitsOf(run_id: string): Hit[];
  /** Answers what is held. */
  release(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a ledger as a program of its own, with a file of its own. */
export async function startLedger(): Promise<Ledger> {
  const folder = mkdtempSync(join(tmpdir(), 'longhaul-ledger-'));
  const file = join(folder, 'ledger.jsonl');
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'main.ts'), file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const [port] = (await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => Promise.reject(new Error(`The ledger ended with code ${code}.`))),
  ])) as [number];
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    hitsOf: (run_id) => parseHits(readFileSync(file, 'utf8')).filter((hit) => hit.run_id === run_id),
    async release() {
      const { ok } = await fetch(`${url}/release`, { method: 'POST' });
      if (!ok) throw new Error('The ledger does not release what it holds.');
    },
    async stop() {
      child.kill();
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
