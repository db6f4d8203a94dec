/** Pure: conditions on the destination port of a connection, compiled. */
import type { PortPredicate } from '../api/listener.ts';

export function compilePortPredicate(predicate: PortPredicate): (port: number) => boolean {
  switch (predicate.kind) {
    case 'ports': {
      const { start, end } = predicate;
      return (port) => port >= start && port < end;
    }
    case 'not': {
      const holds = compilePortPredicate(predicate.of);
      return (port) => !holds(port);
    }
    case 'or': {
      const any = predicate.of.map(compilePortPredicate);
      return (port) => any.some((holds) => holds(port));
    }
    case 'and': {
      const all = predicate.of.map(compilePortPredicate);
      return (port) => all.every((holds) => holds(port));
    }
  }
}
