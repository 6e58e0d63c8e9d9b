import path from 'node:path';

/** Where the command keeps its assemblies, too: made once for all that need one. */
export const ASSEMBLIES = path.resolve(import.meta.dirname, '../../cdk.out');
