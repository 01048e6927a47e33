import { Option } from 'commander';
import type { Database } from '../db/database';
import type { Screen } from '../watch/follow-run';
import type { Api } from './api';

/** What a command is given: its surroundings. Data goes to `out`, everything else to `err`. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  out(text: string): void;
  err(text: string): void;
  /** Where a run is shown while it goes on: what `err` writes to. */
  screen: Screen;
  /** From now on Ctrl-C ends no process but aborts this. */
  interruption(): AbortSignal;
}

/** What commands need of their surroundings, made when they ask for it. */
export interface Surroundings extends Terminal {
  /** Address of Postgres. @throws UsageError when the settings are wrong. */
  databaseUrl(): string;
  /** The API that the settings name, or the one of the stack that runs on this machine. @throws UsageError when there is none. */
  api(): Api;
  /** Lends the database for as long as `work` takes. */
  withDatabase(work: (db: Database) => Promise<void>): Promise<void>;
}

/** How a command prints what it has to say. */
export interface Output {
  output: 'text' | 'json';
}

/** `-o text|json`. */
export function outputOption(): Option {
  return new Option('-o, --output <form>', 'what stdout carries').choices(['text', 'json']).default('text');
}

/** Data as one JSON document. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(`${JSON.stringify(value, null, 2)}\n`);
}

/** Data as lines of columns, with a heading above them. */
export function printTable(terminal: Terminal, heading: string[], rows: string[][]): void {
  terminal.out(`${tableLines(heading, rows).join('\n')}\n`);
}

/** Rows of cells as lines of columns, below a heading. */
export function tableLines(heading: string[], rows: string[][]): string[] {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => {
    const padded = row.map((cell, column) => cell.padEnd(widths[column]!));
    return padded.join('  ').trimEnd();
  });
}
