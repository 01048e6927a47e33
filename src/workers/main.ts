import { loadConfig } from '../config';
import { runToEnd } from '../process-end';
import { createBrain } from './brain';
import { runWorkers } from './run-workers';

runToEnd('worker', () => runWorkers(loadConfig(), createBrain));
