const MiB = 1024 * 1024;

/** A working environment: what apt installs over the OS layer, and a package whose files are its VM's user data. */
export interface Environment {
  readonly name: string;
  readonly packages: readonly string[];
  readonly dataPackage: string;
}

export interface Recipe {
  /** Names the folder of what is built. */
  readonly name: string;
  readonly virtualBytes: number;
  /** Over debootstrap's smallest variant. */
  readonly osPackages: readonly string[];
  readonly environments: readonly Environment[];
  /** Of so many of them, the first ones, there is a VM with user data. */
  readonly vms: number;
  /** User data of each VM, beside the package's files: what no compressor shrinks, and a log. */
  readonly mediaBytes: number;
  readonly logBytes: number;
}

export const SUITE = 'bookworm';

const OS = ['systemd-sysv', 'dbus', 'openssh-server', 'ifupdown', 'iproute2', 'ca-certificates', 'less', 'rsyslog'];
const WEB = ['apache2', 'libapache2-mod-php', 'php-cli', 'php-mbstring', 'php-xml'];

/** What docs/BENCHMARKS.md tells of. */
export const FULL: Recipe = {
  name: 'full',
  virtualBytes: 3072 * MiB,
  osPackages: OS,
  environments: [
    { name: 'web', packages: WEB, dataPackage: 'wordpress' },
    { name: 'lamp', packages: [...WEB, 'mariadb-server', 'php-mysql', 'php-gd'], dataPackage: 'libjs-mathjax' },
    { name: 'postgresql', packages: ['postgresql', 'postgresql-contrib'], dataPackage: 'postgresql-doc-15' },
    {
      name: 'python',
      packages: ['python3', 'python3-venv', 'python3-numpy', 'python3-scipy'],
      dataPackage: 'python3.11-doc',
    },
    { name: 'node', packages: ['nodejs', 'npm'], dataPackage: 'node-typescript' },
    { name: 'mail', packages: ['postfix', 'dovecot-imapd', 'spamassassin'], dataPackage: 'roundcube-core' },
  ],
  vms: 6,
  mediaBytes: 48 * MiB,
  logBytes: 48 * MiB,
};

/** What CI builds. */
export const SMALL: Recipe = {
  name: 'small',
  virtualBytes: 1536 * MiB,
  osPackages: [],
  environments: [
    { name: 'web', packages: ['apache2-bin', 'libapache2-mod-php'], dataPackage: 'wordpress' },
    { name: 'mail', packages: ['postfix', 'dovecot-imapd'], dataPackage: 'roundcube-core' },
  ],
  vms: 1,
  mediaBytes: 8 * MiB,
  logBytes: 8 * MiB,
};
