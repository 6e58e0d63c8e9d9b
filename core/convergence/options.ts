export const ON_NO_CONVERGENCE = ['throttle', 'cutover', 'abort'] as const;
/**
 * What is done when another round would not shorten the pause: `throttle` slows the guest's writes in steps, `cutover`
 * takes the pause as it is, `abort` leaves the VM where it is.
 */
export type OnNoConvergence = (typeof ON_NO_CONVERGENCE)[number];
