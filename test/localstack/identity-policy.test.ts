import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAllowed, PolicyError, parsePolicy } from '../../localstack/identity/policy.ts';
import { matchesPattern } from '../../localstack/identity/wildcard.ts';

type Fields = Record<string, unknown>;
const statement = (fields: Fields = {}) => ({ Effect: 'Allow', Action: 's3:*', Resource: '*', ...fields });
const policy = (...statements: Fields[]) => parsePolicy({ Version: '2012-10-17', Statement: statements });
const get = { action: 's3:GetObject', resource: 'arn:aws:s3:::packs/ns/1' };

describe('wildcards', () => {
  it('match as their regular expression does', () => {
    const unit = fc.constantFrom('a', 'b', '*', '?', '.');
    const property = fc.property(fc.string({ unit }), fc.string({ unit }), (pattern, text) => {
      const source = pattern.replace(/[.]/g, '\\.').replaceAll('*', '.*').replaceAll('?', '.');
      expect(matchesPattern(pattern, text)).toBe(new RegExp(`^${source}$`, 's').test(text));
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it('take no time that explodes', () => {
    expect(matchesPattern('a*'.repeat(500), `${'a'.repeat(2_000)}b`.repeat(2))).toBe(true);
    expect(matchesPattern(`${'a*'.repeat(500)}c`, 'a'.repeat(4_000))).toBe(false);
  });
});

describe('a policy', () => {
  it('permits what an Allow matches and no Deny does', () => {
    expect(isAllowed(undefined, get)).toBe(true);
    expect(isAllowed(policy(statement()), get)).toBe(true);
    expect(isAllowed(policy(statement({ Action: 's3:Put*' })), get)).toBe(false);
    expect(isAllowed(policy(statement({ Action: ['S3:getobject'] })), get)).toBe(true);
    expect(isAllowed(policy(statement({ Resource: 'arn:aws:s3:::packs/NS/*' })), get)).toBe(false);
    expect(isAllowed(policy(statement({ Resource: ['x', 'arn:aws:s3:::packs/ns/?'] })), get)).toBe(true);
    expect(isAllowed(policy(statement(), statement({ Effect: 'Deny', Resource: '*/1' })), get)).toBe(false);
    expect(isAllowed(policy(statement({ Effect: 'Deny' })), { action: 'sts:AssumeRole', resource: 'r' })).toBe(false);
  });

  const cases: [condition: Fields, context: Record<string, string>, holds: boolean][] = [
    [{ StringEquals: { 's3:prefix': 'a/' } }, { 's3:prefix': 'a/' }, true],
    [{ StringEquals: { 's3:prefix': ['b/', 'a/'] } }, { 's3:prefix': 'a/' }, true],
    [{ StringEquals: { 's3:prefix': 'a*' } }, { 's3:prefix': 'a/' }, false],
    [{ StringEquals: { 's3:prefix': '' } }, {}, false],
    [{ StringLike: { 'S3:Prefix': 'a*' } }, { 's3:prefix': 'a/' }, true],
    [{ StringLike: { 's3:prefix': '*' } }, {}, false],
    [{ Null: { 's3:if-none-match': 'false' } }, { 's3:if-none-match': '*' }, true],
    [{ Null: { 's3:if-none-match': false } }, {}, false],
    [{ Null: { 's3:if-none-match': 'true' } }, {}, true],
    [{ Bool: { 'aws:SecureTransport': 'true' } }, { 'aws:securetransport': 'true' }, true],
    [{ Bool: { 'aws:SecureTransport': true } }, { 'aws:securetransport': 'false' }, false],
    [{ Bool: { 'aws:SecureTransport': 'false' } }, {}, false],
    [{ StringLike: { 's3:prefix': 'a*' }, Null: { 's3:if-none-match': 'true' } }, { 's3:prefix': 'b' }, false],
  ];
  for (const [condition, context, holds] of cases) {
    it(`${JSON.stringify(condition)} ${holds ? 'holds' : 'does not hold'} for ${JSON.stringify(context)}`, () => {
      expect(isAllowed(policy(statement({ Condition: condition })), { ...get, context })).toBe(holds);
    });
  }

  const refused: [source: unknown, named: string][] = [
    ['{', 'JSON'],
    [{}, 'Statement'],
    [{ Statement: [] }, 'Statement'],
    [{ Version: '2008-10-17', Statement: statement() }, 'Version'],
    [{ Statement: statement({ NotAction: 'a' }) }, 'NotAction'],
    [{ Statement: statement({ Principal: '*' }) }, 'Principal'],
    [{ Statement: statement({ Resource: undefined, NotResource: 'a' }) }, 'NotResource'],
    [{ Statement: statement({ Effect: 'allow' }) }, 'Effect'],
    [{ Statement: statement({ Resource: `arn:aws:s3:::b/\${aws:username}` }) }, 'variables'],
    [{ Statement: statement({ Condition: { StringNotEquals: { 's3:prefix': 'a' } } }) }, 'StringNotEquals'],
    [{ Statement: statement({ Condition: { StringEquals: { 'aws:SourceIp': 'a' } } }) }, 'aws:SourceIp'],
    [{ Statement: statement({ Condition: { StringEquals: { 's3:prefix': 1 } } }) }, 's3:prefix'],
  ];
  for (const [source, named] of refused) {
    it(`with what can't be enforced is refused, naming ${named}`, () => {
      expect(() => parsePolicy(source)).toThrow(PolicyError);
      expect(() => parsePolicy(source)).toThrow(new RegExp(named, 'i'));
    });
  }
});
