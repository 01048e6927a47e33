import type { Step } from '../contracts/plan';
import type { Rerun } from '../contracts/restart';
import type { ToolCard } from '../contracts/tool';
import type { RepeatedStep } from '../db/repeated-runs';
import type { Catalogue } from '../tools/registry';

export type Missing = Rerun['missing'][number];

/**
 * The tool that a step is run again with: the version that its plan pins, else the newest one that is compatible (of the same major) with
 * the one it had, else, for a step that had another tool or is new, the newest.
 */
export function toolFor(
  { id, tool, version: pinned }: Step,
  was: RepeatedStep | undefined,
  tools: Catalogue,
): { card: ToolCard } | { missing: Missing } {
  const had = was?.tool === tool ? was.tool_version : null;
  const versions = tools.versions(tool);
  const version = pinned ?? versions.find((known) => had === null || majorOf(known) === majorOf(had));
  const card = version === undefined ? undefined : tools.find(tool, version);
  if (card !== undefined) return { card };
  return {
    missing: { step_id: id, tool, version: pinned ?? had, detail: whyMissing(tool, versions, pinned, had) },
  };
}

function whyMissing(
  tool: string,
  versions: readonly string[],
  pinned: string | undefined,
  had: string | null,
): string {
  if (versions.length === 0) return `There is no tool ${tool}.`;
  const known = versions.join(', ');
  if (pinned !== undefined) return `${tool} has no version ${pinned}; there is ${known}.`;
  return `${tool} has no version that is compatible with ${had}; there is ${known}, which a fork with a plan may pin.`;
}

function majorOf(version: string): string {
  return version.split('.', 1)[0]!;
}
