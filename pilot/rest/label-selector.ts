/** `labelSelector=app=web,tier!=cache,env in (a,b),!legacy`. Source: kubernetes.io, "Labels and Selectors". */
import { ApiError } from './status.ts';

type Labels = Readonly<Record<string, string>>;
type Requirement = (labels: Labels) => boolean;

const key = String.raw`[A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?`;
const value = String.raw`(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?`;
const equality = new RegExp(String.raw`^(${key})\s*(==?|!=)\s*(${value})$`);
const membership = new RegExp(String.raw`^(${key})\s+(in|notin)\s*\(\s*(${value}(?:\s*,\s*${value})*)\s*\)$`);
const presence = new RegExp(String.raw`^(!?)\s*(${key})$`);
const maxSelectorChars = 4_096;

/** Everything is selected by the empty text. Throws ApiError for what is no selector. */
export function parseLabelSelector(text: string): (labels: Labels | undefined) => boolean {
  if (text.length > maxSelectorChars) {
    throw new ApiError('BadRequest', `labelSelector has at most ${maxSelectorChars} characters, got ${text.length}`);
  }
  const requirements = termsOf(text).map(parseRequirement);
  return (labels = {}) => requirements.every((isMet) => isMet(labels));
}

/** At the commas outside of parentheses. */
function termsOf(text: string): string[] {
  return text.trim() === '' ? [] : text.split(/,(?![^(]*\))/).map((term) => term.trim());
}

/** A label that is not there differs from every value, as in Kubernetes. */
function parseRequirement(term: string): Requirement {
  const [, name = '', operator, expected = ''] = equality.exec(term) ?? [];
  if (operator !== undefined) return (labels) => (valueOf(labels, name) === expected) === (operator !== '!=');
  const [, member = '', relation, list = ''] = membership.exec(term) ?? [];
  if (relation !== undefined) {
    const values = list.split(',').map((each) => each.trim());
    return (labels) => {
      const found = valueOf(labels, member);
      return (found !== undefined && values.includes(found)) === (relation === 'in');
    };
  }
  const [, negation, present] = presence.exec(term) ?? [];
  if (present === undefined)
    throw new ApiError('BadRequest', `labelSelector: ${JSON.stringify(term)} is no requirement`);
  return (labels) => (valueOf(labels, present) !== undefined) === (negation === '');
}

function valueOf(labels: Labels, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}
