import { emulatingCallers } from '../rest/emulated-caller.ts';
import { serve } from '../serve.ts';
import { createHandler } from './handler.ts';

export const handler = serve('garbage', (deps) => emulatingCallers(createHandler(deps), process.env));
