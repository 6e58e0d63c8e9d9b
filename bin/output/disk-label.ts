/** A disk as users read of it: the VM’s name, with the disk’s if the VM has several. */
export function diskLabel(vm: string, disk: string | undefined): string {
  return disk === undefined ? vm : `${vm}/${disk}`;
}
