/** What the agent needs of a host to run a VM's QEMU. */

export interface ProgramToStart {
  /** The program's absolute path, then its arguments. No shell reads them. */
  readonly argv: readonly string[];
  /** Marks the process, and those that it starts, so that another run of the agent finds them. */
  readonly mark: string;
  /** Path of a file that gets what it says; made if it is not there. */
  readonly log: string;
}

export interface StartedProgram {
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;
}

export interface Processes {
  /**
   * Starts a program in a session of its own: it outlives the agent, and no signal to the agent's group reaches it. It gets
   * no more of the environment than the search path and the locale: what the agent may do is not the guest's.
   * Errors: PROGRAM_NOT_STARTED.
   */
  start(program: ProgramToStart): Promise<StartedProgram>;
  /** True if a process with this mark runs. */
  isRunning(mark: string): Promise<boolean>;
  /** Ends all processes with this mark, at once. None is no error. */
  kill(mark: string): Promise<void>;
}
