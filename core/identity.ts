const SESSION = /^(arn:[\w-]+:sts::\d{12}:assumed-role\/[\w+=,.@-]+)\/.+$/;
const ROLE = /^arn:([\w-]+):iam::(\d{12}):role\/(?:.*\/)?([\w+=,.@-]+)$/;

/**
 * The one name that an identity has here. A role is `arn:…:sts::ACCOUNT:assumed-role/NAME`, whether a session of it signs, each
 * start of the same machine being another, or an operator writes it as IAM does, with its path. Any other ARN, such as a
 * user's, is its own name. Source: "IAM identifiers", AWS Identity and Access Management's guide: no two roles of an account
 * have one name, whatever their paths.
 */
export function identityOf(arn: string): string {
  const role = ROLE.exec(arn);
  if (role !== null) return `arn:${role[1]}:sts::${role[2]}:assumed-role/${role[3]}`;
  return SESSION.exec(arn)?.[1] ?? arn;
}
