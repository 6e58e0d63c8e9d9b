import { collectSeldom, keepCompiled } from '../../../bin/engine.ts';

// What perform.ts does, as a process that is started as an agent is, so that its time, CPU and memory are measured as the peers' are.

keepCompiled();
collectSeldom('bounded');
await import('./perform.ts');
