import { readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { CloudError } from '../errors.ts';

/** A template resource as CloudFormation's JSON has it. */
export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly Condition?: string;
}

export interface Template {
  readonly Resources: Readonly<Record<string, TemplateResource>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown; readonly Condition?: string }>>;
  readonly Parameters?: Readonly<Record<string, { readonly Default?: unknown }>>;
  readonly Conditions?: Readonly<Record<string, unknown>>;
}

/** What the CDK app's synthesis left on disk: one stack and the directories of its functions' code. */
export interface Assembly {
  readonly stackName: string;
  readonly account: string;
  readonly region: string;
  readonly template: Template;
  /** The directory that is uploaded as `objectKey` on AWS. */
  codeDir(objectKey: string): string;
}

interface Artifact {
  readonly type: string;
  readonly environment?: string;
  readonly displayName?: string;
  readonly properties?: {
    readonly templateFile?: string;
    readonly file?: string;
    readonly stackName?: string;
    readonly directoryName?: string;
  };
}

interface AssetManifest {
  readonly files?: Readonly<
    Record<
      string,
      {
        readonly source: { readonly path?: string; readonly packaging?: string };
        readonly destinations: Readonly<Record<string, { readonly objectKey: string }>>;
      }
    >
  >;
}

const DEFAULT_ACCOUNT = '000000000000';
const DEFAULT_REGION = 'us-east-1';
const SYNTH_HINT = 'Run the CDK app first (npm run synth); it writes the assembly to cdk.out.';

/**
 * Reads a CDK cloud assembly (manifest.json, its stack's template and asset manifest). An environment-agnostic stack
 * gets account 000000000000 and region us-east-1.
 * @throws CloudError ASSEMBLY_MISSING, ASSEMBLY_INVALID (unreadable, or not exactly one stack)
 */
export function readAssembly(dir: string): Assembly {
  const manifest = readJson(dir, 'manifest.json') as { artifacts?: Record<string, Artifact> };
  const artifacts = Object.entries(manifest.artifacts ?? {});
  const stacks = artifacts.filter(([, a]) => a.type === 'aws:cloudformation:stack');
  const nested = artifacts.filter(([, a]) => a.type === 'cdk:cloud-assembly');
  const [stack] = stacks;
  if (stack === undefined || stacks.length > 1 || nested.length > 0) {
    const found = [...stacks, ...nested].map(([id]) => id).join(', ') || 'none';
    throw new CloudError('ASSEMBLY_INVALID', `the assembly must hold one stack, found ${found}`, SYNTH_HINT);
  }
  const [id, { environment, properties }] = stack;
  const [account, region] = (environment ?? '').replace('aws://', '').split('/');
  const assets = artifacts.filter(([, a]) => a.type === 'cdk:asset-manifest').map(([, a]) => a.properties?.file ?? '');
  return {
    stackName: properties?.stackName ?? id,
    account: known(account) ?? DEFAULT_ACCOUNT,
    region: known(region) ?? DEFAULT_REGION,
    template: readJson(dir, properties?.templateFile ?? '') as Template,
    codeDir: assetDirs(
      dir,
      assets.map((file) => readJson(dir, file) as AssetManifest),
    ),
  };
}

function known(part: string | undefined): string | undefined {
  return part === undefined || part === '' || part.startsWith('unknown-') ? undefined : part;
}

function assetDirs(dir: string, manifests: readonly AssetManifest[]): Assembly['codeDir'] {
  const paths = new Map<string, string>();
  for (const { source, destinations } of manifests.flatMap((m) => Object.values(m.files ?? {}))) {
    if (source.packaging !== 'zip' || source.path === undefined) continue;
    for (const { objectKey } of Object.values(destinations)) paths.set(objectKey, inside(dir, source.path));
  }
  return (objectKey) => {
    const path = paths.get(objectKey);
    if (path === undefined) {
      throw new CloudError(
        'ASSEMBLY_INVALID',
        `no asset directory for ${objectKey}`,
        'Use Code.fromAsset with a directory.',
      );
    }
    return path;
  };
}

function inside(dir: string, path: string): string {
  const full = resolve(dir, path);
  if (full.startsWith(resolve(dir) + sep)) return full;
  throw new CloudError('ASSEMBLY_INVALID', `${path} lies outside the assembly`, SYNTH_HINT);
}

function readJson(dir: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(inside(dir, file), 'utf8'));
  } catch (error) {
    if (error instanceof CloudError) throw error;
    const missing = (error as { code?: string }).code === 'ENOENT';
    const code = missing ? 'ASSEMBLY_MISSING' : 'ASSEMBLY_INVALID';
    throw new CloudError(code, `cannot read ${join(dir, file)}`, SYNTH_HINT, error);
  }
}
