import { keepCompiled } from '../../../bin/engine.ts';

// What perform.ts does, as a process that is started as the command is, so that its time, CPU and memory are measured as the peers' are.

keepCompiled();
await import('./perform.ts');
