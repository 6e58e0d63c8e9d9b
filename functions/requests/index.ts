import { openCloud } from '../cloud.ts';
import { createHandler } from './handler.ts';

export const handler = createHandler(openCloud('requests', process.env));
