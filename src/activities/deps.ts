import type { AnswerWriter } from '../planning/answer-writer';
import type { Judge } from '../planning/judge';
import type { Planner } from '../planning/planner';
import type { InputCheck } from '../planning/input-check';
import type { Registry } from '../tools/registry';
import type { Database } from '../db/database';

/** What the activities of a worker are made of. */
export interface ActivityDeps {
  db: Database;
  tools: Registry;
  /** Checks inputs against the schemas of tools; keeps them compiled. */
  checkInput: InputCheck;
  planner: Planner;
  judge: Judge;
  writer: AnswerWriter;
}
