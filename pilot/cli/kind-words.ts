/** How users name kinds and resources on the command line, and how the commands name them in answers. */
import { apiVersionOf, findKindByAnyName, kinds, type Kind } from '../../crds/kinds.ts';
import { didYouMean } from '../../crds/findings.ts';
import { CommandError, exitCodes } from './exit-code.ts';

export interface ResourceWords {
  readonly kind: Kind;
  /** Empty: all resources of the kind. */
  readonly names: readonly string[];
}

/** `vs`, `vs NAME...` or `vs/NAME...`, as kubectl takes them. */
export function parseResourceWords(kindWord: string, nameWords: readonly string[]): ResourceWords {
  const slash = kindWord.indexOf('/');
  if (slash < 0) return { kind: requireKind(kindWord), names: nameWords };
  const words = [kindWord, ...nameWords].map((word) => word.split('/'));
  const [first = ''] = words[0] ?? [];
  const kind = requireKind(first);
  for (const [word = '', name = '', ...rest] of words) {
    if (requireKind(word) !== kind || name === '' || rest.length > 0) {
      throw new CommandError('KIND/NAME of one kind is expected everywhere', exitCodes.usage);
    }
  }
  return { kind, names: words.map(([, name = '']) => name) };
}

function requireKind(word: string): Kind {
  const kind = findKindByAnyName(word);
  if (kind !== undefined) return kind;
  const known = kinds.flatMap(({ plural, shortNames }) => [plural, ...shortNames]);
  throw new CommandError(
    `the server has no kind "${word}"${didYouMean(word, known)}; there are ${kinds.map(({ plural }) => plural).join(', ')}`,
    exitCodes.usage,
  );
}

export interface ResourcePlace {
  readonly kind: Kind;
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
  readonly name?: string;
}

/** Path of a resource, or of a list without a name, in a Kubernetes API. */
export function resourcePath({ kind, namespace, name }: ResourcePlace): string {
  const version = apiVersionOf(kind, kind.versions[0]);
  const root = kind.group === '' ? `/api/${version}` : `/apis/${version}`;
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${kind.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/** `virtualservice.networking.istio.io`, or `service` in the core group. */
export function qualifiedKind({ kind, group }: Pick<Kind, 'kind' | 'group'>): string {
  return group === '' ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
}
