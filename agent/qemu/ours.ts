/** Begins the name of everything that the agent makes within a QEMU: what it finds of it later it may remove, and nothing else. */
export const OURS = 'layermover-';
