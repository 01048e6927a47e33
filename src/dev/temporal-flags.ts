/** Search attributes of a run, all keywords. */
export const SEARCH_ATTRIBUTES = ['TenantId', 'RunStatus', 'RunOrigin'] as const;

/** Ports of a server: the frontend and the web pages. */
export interface TemporalPorts {
  port: number;
  ui_port: number;
}

/**
 * What the server is started with besides ports and file. Without the poll rates every hop waits 40 ms; without the time
 * shift timers fire up to a second late; write-ahead journal and `normal` lose nothing when the server is killed. Tenants take turns
 * within a partition of a queue only, and a worker asks a partition at random: were work written to several, a tenant would wait behind another's
 * flood. All partitions are read as before: what an older version of this code left waiting in them is still found.
 */
const FLAGS = [
  ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal'],
  ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ...[
    'history.transferProcessorMaxPollRPS=2000',
    'history.timerProcessorMaxPollRPS=2000',
    'history.visibilityProcessorMaxPollRPS=2000',
    'history.timerProcessorMaxTimeShift="10ms"',
    'matching.enableFairness=true',
    'matching.numTaskqueueWritePartitions=1',
  ].flatMap((setting) => ['--dynamic-config-value', setting]),
];

/** Arguments of `temporal` that start the development server on `file`, an absolute path. */
export function serverArguments({ port, ui_port }: TemporalPorts, file: string): string[] {
  const ports = ['--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(ui_port)];
  return ['server', 'start-dev', ...ports, '--namespace', 'default', '--db-filename', file, ...FLAGS];
}

/** Ports in the command line (arguments joined by blanks) of a server on `file`; undefined when its other flags are not today's. */
export function portsOf(command: string, file: string): TemporalPorts | undefined {
  const port = Number(/ --port (\d+) /.exec(command)?.[1]);
  const ui_port = Number(/ --ui-port (\d+) /.exec(command)?.[1]);
  return command.endsWith(` ${serverArguments({ port, ui_port }, file).join(' ')}`)
    ? { port, ui_port }
    : undefined;
}
