/** A line of a process's log, as far as tests look into it. */
export type LogLine = Record<string, unknown> & { level: string; name: string; msg: string };

/** Collects the lines that processes write; what is no JSON fails the test that looks. */
export class LogLines {
  private rest = '';
  readonly texts: string[] = [];

  write(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    this.texts.push(...lines);
  }

  lines(): LogLine[] {
    return this.texts.map((text) => JSON.parse(text) as LogLine);
  }

  /** Lines that have these fields. */
  having(fields: Record<string, unknown>): LogLine[] {
    return this.lines().filter((line) =>
      Object.entries(fields).every(([name, value]) => line[name] === value),
    );
  }
}
