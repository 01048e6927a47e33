import type { CrashPoint } from '../contracts/crash-point';
import type { Database } from '../db/database';
import type { Ask } from '../llm/ask';
import type { Models, Pricing } from '../llm/model';
import type { AnswerWriter } from '../planning/answer-writer';
import type { InputCheck } from '../planning/input-check';
import type { Judge } from '../planning/judge';
import type { Planner } from '../planning/planner';
import type { Registry } from '../tools/registry';

/** What the activities of a worker are made of. */
export interface ActivityDeps {
  db: Database;
  tools: Registry;
  /** Checks inputs against the schemas of tools; keeps them compiled. */
  checkInput: InputCheck;
  /** Those who ask no model. */
  planner: Planner;
  judge: Judge;
  writer: AnswerWriter;
  /** Those who do; null where no model is configured. */
  minds: Minds | null;
  /** Kills the process where the settings say so. */
  crashPoint(point: CrashPoint): void;
}

/** Planner, judge and writer that ask language models, the models, and what they cost. */
export interface Minds {
  planner: Planner;
  judge: Judge;
  writer: AnswerWriter;
  models: Models;
  prices: Pricing;
}

/** @throws Error when no model is configured: the worker that a run was left to has other settings than the one that began it. */
export function mindsOf({ minds }: ActivityDeps): Minds {
  if (minds !== null) return minds;
  throw new Error('This worker has no language model. Start all workers with the same settings.');
}

/** For instant work, which asks no model. */
export const NO_MODEL: Ask = () => Promise.reject(new Error('Instant work asks no model.'));
