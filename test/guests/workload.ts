/** Pages of the guest's database; each is one block of its file system. */
export const PAGES = 1024;
export const PAGE_BYTES = 4096;

/**
 * What the guest does, as a database on two disks does it: a transaction goes to a write-ahead log on the one, then to pages
 * anywhere in a file on the other, in place, each write with fsync; only then is it acknowledged on the serial port. Which pages is
 * drawn from a seed, so that whoever knows that knows what must be on the disks. `rest` has it unmount both and wait, `go` go on,
 * `end` end.
 */
export function workOf(seed: number): string {
  return `
up() { mount -t ext4 /dev/vda /log && mount -t ext4 /dev/vdb /base || echo "no disk" > /dev/ttyS0; }
down() { umount /log && umount /base; }
draw() { x=$(( (x * 1103515245 + 12345) & 0x7fffffff )); }
mkdir /log /base
up
(while read line; do echo "$line" > /told; done < /dev/ttyS0) &
x=${seed}
n=0
while :; do
  if [ -s /told ]; then
    read word < /told; rm /told
    if [ "$word" = end ]; then down; poweroff -f; fi
    if [ "$word" = rest ]; then
      down && echo "rest $n" > /dev/ttyS0
      until grep -qs go /told; do usleep 20000; done
      rm /told; up; echo "go $n" > /dev/ttyS0
    fi
  fi
  n=$((n + 1))
  draw; count=$(( (x >> 8) % 3 + 1 ))
  pages=
  while [ $count -gt 0 ]; do draw; pages="$pages $(( (x >> 8) % ${PAGES} ))"; count=$((count - 1)); done
  echo "tx $n$pages" | dd of=/log/wal oflag=append conv=notrunc,fsync 2>/dev/null || echo "log refused" > /dev/ttyS0
  for page in $pages; do
    echo "page $page tx $n" | dd of=/base/pages bs=${PAGE_BYTES} seek=$page conv=notrunc,fsync,sync 2>/dev/null || echo "page refused" > /dev/ttyS0
  done
  echo "ack $n" > /dev/ttyS0
done
`;
}

/** What a guest that rests after so many transactions has on its disks. */
export function expected(seed: number, transactions: number): { log: string[]; pages: Map<number, number> } {
  let x = BigInt(seed);
  const draw = (below: number): number => {
    x = (x * 1103515245n + 12345n) & 0x7fffffffn;
    return Number(x >> 8n) % below;
  };
  const log: string[] = [];
  const pages = new Map<number, number>();
  for (let tx = 1; tx <= transactions; tx++) {
    const touched = Array.from({ length: draw(3) + 1 }, () => draw(PAGES));
    log.push(`tx ${tx} ${touched.join(' ')}`);
    for (const page of touched) pages.set(page, tx);
  }
  return { log, pages };
}
