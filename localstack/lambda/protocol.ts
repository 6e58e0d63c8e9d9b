/** What the parent and an execution environment's thread say to each other. */

/** `workerData` of the thread. */
export interface RuntimeSetup {
  readonly codeDir: string;
  /** `file.export`. */
  readonly handler: string;
  readonly functionName: string;
  readonly functionArn: string;
  readonly memoryMib: number;
  readonly timeoutMs: number;
}

/** Parent to thread: run the handler once. */
export interface InvokeMessage {
  readonly requestId: string;
  /** JSON text of the event. */
  readonly payload: string;
}

/** Thread to parent: the handler is loaded, could not be loaded, or has answered. */
export type RuntimeMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'unloadable'; readonly error: FunctionError }
  | { readonly kind: 'reply'; readonly payload: string }
  | { readonly kind: 'failed'; readonly error: FunctionError };

/** The body of a failed invocation, as Lambda's callers see it. */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
}
