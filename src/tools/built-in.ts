import { calculator } from './calculator';
import { todoTools } from './todo';
import type { Tool } from './tool';

/** The tools that every Longhaul has. */
export function builtInTools(): Tool[] {
  return [calculator, ...todoTools];
}
