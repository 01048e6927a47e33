import type { ModelReply, ModelRequest } from './model';

/**
 * Asks a model on behalf of one piece of a run's work. The same question in the same place is bought once: a repetition gets the stored
 * reply, at once. With `onText` the reply is streamed: its pieces are given as they come, a stored reply as one piece.
 * @throws Refusal as `Models`, and `budget_exceeded`; Interrupted
 */
export type Ask = (request: ModelRequest, onText?: (piece: string) => void) => Promise<ModelReply>;
