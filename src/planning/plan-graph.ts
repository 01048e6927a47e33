/** An edge of a plan: `from` ends before `to` starts. */
export type Edge = readonly [from: string, to: string];

/**
 * The ids on cycles, each with the cycle it is on, as a walk that starts and ends with it. A step that needs itself is a cycle
 * of one. Components by Tarjan's algorithm, iterative: a chain of any length costs no stack.
 */
export function cyclesOf(ids: readonly string[], edges: readonly Edge[]): Map<string, string[]> {
  const next = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [from, to] of edges) next.get(from)?.push(to);
  const cycles = new Map<string, string[]>();
  for (const component of componentsOf(ids, next)) {
    const members = new Set(component);
    for (const id of component) {
      const walk = shortestWalk(id, next, members);
      if (walk) cycles.set(id, walk);
    }
  }
  return cycles;
}

/** Members beyond which the walk is not searched for each of them: naming the component is enough. */
const MAX_WALKED = 50;

function shortestWalk(
  start: string,
  next: ReadonlyMap<string, string[]>,
  members: ReadonlySet<string>,
): string[] | null {
  if (members.size > MAX_WALKED) return [start, '…', start];
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let at = 0; at < queue.length; at += 1) {
    const id = queue[at] as string;
    for (const to of next.get(id) ?? []) {
      if (to === start) return walkBack(start, id, cameFrom);
      if (!members.has(to) || cameFrom.has(to)) continue;
      cameFrom.set(to, id);
      queue.push(to);
    }
  }
  return null;
}

function walkBack(start: string, last: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const walk = [start];
  for (let at = last; at !== start; at = cameFrom.get(at) as string) walk.push(at);
  return [...walk, start].reverse();
}

/** Strongly connected components. */
function componentsOf(ids: readonly string[], next: ReadonlyMap<string, string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const components: string[][] = [];
  const enter = (id: string, frames: { id: string; at: number }[]): void => {
    low.set(id, order.size);
    order.set(id, order.size);
    stack.push(id);
    onStack.add(id);
    frames.push({ id, at: 0 });
  };
  const lower = (id: string, to: number): void => void low.set(id, Math.min(low.get(id) as number, to));
  for (const root of ids) {
    if (order.has(root)) continue;
    const frames: { id: string; at: number }[] = [];
    enter(root, frames);
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const to = next.get(frame.id)?.[frame.at];
      frame.at += 1;
      if (to === undefined) {
        frames.pop();
        const parent = frames.at(-1);
        if (parent) lower(parent.id, low.get(frame.id) as number);
        if (low.get(frame.id) === order.get(frame.id)) components.push(takeOff(stack, onStack, frame.id));
      } else if (!order.has(to)) enter(to, frames);
      else if (onStack.has(to)) lower(frame.id, order.get(to) as number);
    }
  }
  return components;
}

function takeOff(stack: string[], onStack: Set<string>, last: string): string[] {
  const component: string[] = [];
  for (let id = stack.pop(); id !== undefined; id = id === last ? undefined : stack.pop()) {
    onStack.delete(id);
    component.push(id);
  }
  return component;
}

/**
 * The longest path of a graph without cycles, by the weights of its nodes: what decides how long a plan takes.
 * @returns its ids in their order, and the sum of their weights
 */
export function longestPath(
  ids: readonly string[],
  edges: readonly Edge[],
  weight: (id: string) => number,
): { ids: string[]; length: number } {
  const before = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [from, to] of edges) before.get(to)?.push(from);
  const best = new Map<string, { length: number; from: string | undefined }>();
  for (const id of inOrder(ids, before)) {
    const [from] = before.get(id)!.toSorted((one, other) => best.get(other)!.length - best.get(one)!.length);
    const length = weight(id) + (from === undefined ? 0 : best.get(from)!.length);
    best.set(id, { length, from });
  }
  const last = ids.toSorted((one, other) => best.get(other)!.length - best.get(one)!.length)[0];
  const path: string[] = [];
  for (let at = last; at !== undefined; at = best.get(at)!.from) path.unshift(at);
  return { ids: path, length: last === undefined ? 0 : best.get(last)!.length };
}

/** Every id after those it waits for. */
function inOrder(ids: readonly string[], before: ReadonlyMap<string, string[]>): string[] {
  const missing = new Map(ids.map((id) => [id, before.get(id)!.length]));
  const after = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [id, needs] of before) for (const need of needs) after.get(need)!.push(id);
  const ready = ids.filter((id) => missing.get(id) === 0);
  for (let at = 0; at < ready.length; at += 1) {
    for (const id of after.get(ready[at]!)!) {
      missing.set(id, missing.get(id)! - 1);
      if (missing.get(id) === 0) ready.push(id);
    }
  }
  return ready;
}
