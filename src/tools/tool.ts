import type { ToolCard } from '../contracts/tool';
import type { FailureCode } from '../contracts/failure';
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
  /** Takes an input that fits `input_schema`, returns JSON; throws `ToolError` to name its failure. */
  call(input: unknown, context: ToolContext): Promise<unknown>;
}

export interface TransactionalTool extends ToolCard {
  effect: 'transactional';
  /** As `PureTool.call`; all its changes go through `tx`, which also stores the checkpoint. */
  call(input: unknown, context: ToolContext, tx: Tx): Promise<unknown>;
}

/** The port of a tool. */
export type Tool = PureTool | TransactionalTool;

/** Thrown by a tool that knows what went wrong. Anything else it throws counts as `tool_error`. */
export class ToolError extends Error {
  constructor(
    readonly code: FailureCode,
    message: string,
  ) {
    super(message);
    this.name = 'ToolError';
  }
}
