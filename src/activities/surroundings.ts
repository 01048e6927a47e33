/** Where an activity runs and how it is stopped. */
export interface Surroundings {
  /** Temporal's run id. */
  execution: string;
  cancelled: AbortSignal;
  /** Steps of which the workflow knows that they ended without an output. */
  lost?: readonly string[];
}
