import { openCloud } from '../cloud.ts';
import { emulatingCallers } from '../rest/emulated-caller.ts';
import { createHandler } from './handler.ts';

export const handler = emulatingCallers(createHandler(openCloud('garbage', process.env)), process.env);
