/**
 * Pure: the routes of a virtual host by the text with which the paths that they match begin, in a radix tree. One walk
 * along a request's path leaves the few routes that can match at all; in their order the first one that does is found as
 * if all had been asked. A hundred routes cost as much as a handful.
 */
import type { PathMatch } from '../api/route.ts';
import type { RequestHead } from '../http/message-head.ts';
import { type CandidateRoute, compileCandidates, type RouteFinder } from './route-candidates.ts';
import { matchesAllPaths } from './route-match.ts';
import type { CompiledRoute } from './route-table.ts';

export interface IndexedRoute extends CandidateRoute {
  /** Every path that the route matches begins with this; '' when nothing is known. */
  readonly literal: string;
}

interface Node {
  /** What stands between the parent and this node. */
  label: string;
  /** By the first character of their labels. */
  children: Map<number, Node>;
  /** Positions of the routes whose literals end here. */
  own: number[];
  /** Among the routes whose literals are a beginning of what leads here. */
  find: RouteFinder;
}

/** What every path that `match` matches begins with. Case-insensitive matches and expressions promise nothing. */
export function literalOf(match: PathMatch): string {
  if (matchesAllPaths(match)) return '';
  return match.kind !== 'safe_regex' && match.caseSensitive ? match.value : '';
}

export class RouteIndex {
  readonly #root = newNode('');

  constructor(routes: readonly IndexedRoute[]) {
    routes.forEach(({ literal }, position) => insert(this.#root, literal, position));
    collect(this.#root, [], routes);
  }

  /** The first route, in the order of the virtual host, that matches. */
  find(head: RequestHead): CompiledRoute | undefined {
    return this.#descend(head.path).find(head);
  }

  /** The deepest node whose text `path` begins with. */
  #descend(path: string): Node {
    let node = this.#root;
    for (let at = 0; ;) {
      const next = node.children.get(path.charCodeAt(at));
      if (next === undefined || !path.startsWith(next.label, at)) return node;
      at += next.label.length;
      node = next;
    }
  }
}

function newNode(label: string): Node {
  return { label, children: new Map(), own: [], find: () => undefined };
}

function insert(node: Node, literal: string, position: number): void {
  if (literal === '') {
    node.own.push(position);
    return;
  }
  const key = literal.charCodeAt(0);
  const child = node.children.get(key);
  if (child === undefined) {
    const leaf = newNode(literal);
    leaf.own.push(position);
    node.children.set(key, leaf);
    return;
  }
  const common = commonLength(child.label, literal);
  const at = common === child.label.length ? child : split(node, child, common);
  insert(at, literal.slice(common), position);
}

/** Puts a node between `parent` and `child`, `length` characters down the label. */
function split(parent: Node, child: Node, length: number): Node {
  const middle = newNode(child.label.slice(0, length));
  child.label = child.label.slice(length);
  middle.children.set(child.label.charCodeAt(0), child);
  parent.children.set(middle.label.charCodeAt(0), middle);
  return middle;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}

function collect(node: Node, above: readonly number[], routes: readonly IndexedRoute[]): void {
  const positions = [...above, ...node.own].sort((a, b) => a - b);
  node.find = compileCandidates(positions.flatMap((position) => routes[position] ?? []));
  for (const child of node.children.values()) collect(child, positions, routes);
}
