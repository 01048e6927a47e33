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
  /** 64 hexadecimal digits, the same for every try of this step with this input, also in a restart that takes the step over unfinished. */
  idempotency_key: string;
  /** Aborted when the run is cancelled, the limit of the try is over or the worker stops: end soon. */
  signal: AbortSignal;
  /**
   * Shows readers how far the try has come; the newest word counts where many come at once. Never throws.
   * @param ratio 0 to 1; null when it is not known
   */
  progress(ratio?: number | null, message?: string): void;
}

/**
 * A tool whose calls are repeated when their outcome is not known, or never; see `ToolEffect`.
 *
 * What an `unsafe` tool throws leaves open whether it took effect, so that a person is asked, unless the error says that nothing was
 * done: by `not_done: true`, then it is tried again as any other; or by a name or code after which another try is of no use, unless that is
 * about the end of the call (a timeout, an output that does not fit).
 */
export interface OutsideTool extends ToolCard {
  effect: 'pure' | 'idempotent' | 'unsafe';
  /** Takes an input that fits `input_schema`, returns JSON that fits `output_schema`; throws a `Refusal` to name its failure. */
  call(input: unknown, context: ToolContext): Promise<unknown>;
}

export interface PureTool extends OutsideTool {
  effect: 'pure';
}

export interface TransactionalTool extends ToolCard {
  effect: 'transactional';
  /** As `OutsideTool.call`; all its changes go through `tx`, which also stores the checkpoint. */
  call(input: unknown, context: ToolContext, tx: Tx): Promise<unknown>;
}

/** The port of a tool. What it throws is `tool_error`, tried again, unless it is a `Refusal` that names a code. */
export type Tool = OutsideTool | TransactionalTool;
