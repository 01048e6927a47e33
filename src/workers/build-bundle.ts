import { runToEnd } from '../process-end';
import { bundleWorkflows } from './bundle-workflows';

/** `npm run build:workflows [file]`: what a worker outside the development stack needs beside the sources. */
runToEnd('build', async () => {
  await bundleWorkflows({ outFile: process.argv[2] ?? 'dist/workflow-bundle.js' });
});
