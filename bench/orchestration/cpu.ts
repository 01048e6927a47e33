import { readFileSync, readdirSync } from 'node:fs';

/** Ticks of /proc/<pid>/stat per second: the same on every Linux we know. */
const TICKS_PER_S = 100;

/** CPU that a process has used, with its children's, seconds. Linux only. */
export function cpuOf(pid: number): number {
  const children = childrenOf(pid).reduce((sum, child) => sum + cpuOf(child), 0);
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/\(.*\)/, 'x')
    .split(' ');
  // utime, stime, cutime, cstime: fields 14 to 17, of which the first two were cut off.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_PER_S + children;
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
        .map(Number);
    } catch {
      return []; // a thread that ended between the listing and the look has no children
    }
  });
}
