import type { Outline } from './outline';
import type { WishKind } from './step-result';

/**
 * What the workflow learns of a drafted plan. A rejected one did not pass the plan check or an instant judge; what they said is the
 * next round's feedback. `to_judge`: nobody has accepted it yet; `judge`: a model is to, where that is
 * said.
 */
export type Drafted =
  | { status: 'drafted'; outline: Outline; to_judge: boolean; judge?: 'llm'; wish: WishKind | null }
  | { status: 'rejected'; wish: WishKind | null };

/** The same of instant work, which may have to leave the plan to a model. */
export type DraftedAtOnce = Drafted | { status: 'needs_model'; wish: null };

/** What the workflow learns of a verdict. */
export interface Judged {
  accepted: boolean;
  wish: WishKind | null;
}
