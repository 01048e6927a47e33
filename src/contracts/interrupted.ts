/** Thrown by work that was stopped from outside: the run is cancelled, its time is over, or the worker stops. */
export class Interrupted extends Error {}
