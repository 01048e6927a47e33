import type { ToolCard } from '../contracts/tool';
import type { Tx } from '../db/tx';

/** What a tool call knows of its surroundings. */
export interface ToolContext {
  tenant: string;
  /** Whom the tenant serves; null where it did not say. */
  user: string | null;
  run_id: string;
  step_id: string;
  /** The how manieth try of this step it is, from 1. */
  attempt: number;
  /** Aborted when the run is cancelled, the limit of the try is over or the worker stops: end soon. */
  signal: AbortSignal;
}

export interface PureTool extends ToolCard {
  effect: 'pure';
  /** Takes an input that fits `input_schema`, returns JSON; throws a `Refusal` to name its failure. */
  call(input: unknown, context: ToolContext): Promise<unknown>;
}

export interface TransactionalTool extends ToolCard {
  effect: 'transactional';
  /** As `PureTool.call`; all its changes go through `tx`, which also stores the checkpoint. */
  call(input: unknown, context: ToolContext, tx: Tx): Promise<unknown>;
}

/** The port of a tool. What it throws is `tool_error`, tried again, unless it is a `Refusal` that names a code. */
export type Tool = PureTool | TransactionalTool;
