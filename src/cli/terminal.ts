import { Option } from 'commander';
import type { Database } from '../db/database';

/** What a command is given: its surroundings. Data goes to `out`, everything else to `err`. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  out(text: string): void;
  err(text: string): void;
}

/** What commands need of their surroundings, made when they ask for it. */
export interface Surroundings extends Terminal {
  /** Address of Postgres. @throws UsageError when the settings are wrong. */
  databaseUrl(): string;
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
  const lines = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  for (const line of lines) {
    terminal.out(
      `${line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}
