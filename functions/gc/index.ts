import { openCloud } from '../cloud.ts';
import { createHandler } from './handler.ts';

export const handler = createHandler(openCloud('gc', process.env));
