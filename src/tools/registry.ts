import type { ToolCard } from '../contracts/tool';
import type { Tool } from './tool';
import { compareVersions, isVersion } from './version';

/** What a plan may be checked against: cards without the code. */
export interface Catalogue {
  /** The card of a tool in this version, or in its newest one. */
  find(name: string, version?: string): ToolCard | undefined;
  /** Versions of a tool, newest first; empty when there is no such tool. */
  versions(name: string): string[];
  /** Names of all tools, in the order they were registered. */
  names(): string[];
}

/** The tools of a process. */
export interface Registry {
  /** The tool in this version, or in its newest one. */
  get(name: string, version?: string): Tool | undefined;
  /** The newest version of every tool, as planners see it, in the order they were registered. */
  cards(): ToolCard[];
  readonly catalogue: Catalogue;
}

/**
 * Puts tools under their names; a tool may be there in several versions, of which a run keeps the one it was planned with.
 * @throws Error when a name and version come twice, a version is none, or a tool with effects elsewhere would be instant.
 */
export function createRegistry(tools: readonly Tool[]): Registry {
  // A Map, so that `constructor` is no tool. Newest version first.
  const byName = new Map<string, Tool[]>();
  for (const tool of tools) {
    const { name, version } = tool;
    if (!isVersion(version)) {
      throw new Error(
        `The tool ${name} has the version "${version}". Use a semantic version, such as 1.0.0.`,
      );
    }
    if (tool.lane === 'instant' && (tool.effect === 'idempotent' || tool.effect === 'unsafe')) {
      throw new Error(`The tool ${name} ${version} makes effects elsewhere: give it the lane \`tools\`.`);
    }
    const others = byName.get(name) ?? [];
    if (others.some((other) => other.version === version)) {
      throw new Error(
        `The tool ${name} ${version} is registered twice. Rename one, or give it a version of its own.`,
      );
    }
    byName.set(
      name,
      [...others, tool].sort((a, b) => compareVersions(b.version, a.version)),
    );
  }

  const get = (name: string, version?: string): Tool | undefined => {
    const versions = byName.get(name) ?? [];
    return version === undefined ? versions[0] : versions.find((tool) => tool.version === version);
  };
  const find = (name: string, version?: string): ToolCard | undefined => {
    const tool = get(name, version);
    return tool && cardOf(tool);
  };
  return {
    get,
    cards: () => [...byName.values()].flatMap(([newest]) => (newest === undefined ? [] : [cardOf(newest)])),
    catalogue: {
      find,
      versions: (name) => (byName.get(name) ?? []).map(({ version }) => version),
      names: () => [...byName.keys()],
    },
  };
}

/** Field by field: a tool may hold more than its card, and cards are sent and stored. */
function cardOf(tool: Tool): ToolCard {
  const { name, version, description, effect, lane, input_schema, timeout_s, max_attempts } = tool;
  const { output_schema, non_retryable } = tool;
  return {
    ...{ name, version, description, effect, lane, input_schema, timeout_s, max_attempts },
    ...(output_schema && { output_schema }),
    ...(non_retryable && { non_retryable }),
  };
}
