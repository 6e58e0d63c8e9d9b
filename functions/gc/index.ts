import { serve } from '../serve.ts';
import { createHandler } from './handler.ts';

export const handler = serve('gc', createHandler);
