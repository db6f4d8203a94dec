import { describe, expect, it } from 'vitest';
import { parseLabelSelector } from '../../../pilot/rest/label-selector.ts';

/** Kubernetes' own examples, and what its parser takes. */
describe('a label selector', () => {
  const objects: Readonly<Record<string, Readonly<Record<string, string>> | undefined>> = {
    web: { app: 'web', env: 'qa' },
    db: { app: 'db', env: 'prod', 'example.com/tier': 'gold' },
    bare: undefined,
  };
  const selected = (text: string): string[] => {
    const isWanted = parseLabelSelector(text);
    return Object.entries(objects).flatMap(([name, labels]) => (isWanted(labels) ? [name] : []));
  };

  it.each([
    ['', ['web', 'db', 'bare']],
    ['app=web', ['web']],
    ['app==web', ['web']],
    ['app!=web', ['db', 'bare']],
    ['app=web,env=prod', []],
    [' app = db , env=prod ', ['db']],
    ['env in (qa, prod)', ['web', 'db']],
    ['env in (qa),app', ['web']],
    ['env notin (qa)', ['db', 'bare']],
    ['app', ['web', 'db']],
    ['!app', ['bare']],
    ['example.com/tier=gold', ['db']],
    ['app=', []],
    ['toString', []],
  ])('%j selects %j', (text, names) => {
    expect(selected(text)).toEqual(names);
  });

  it.each(['=', 'a=b=c', 'a in b', 'a in ()extra', 'a,,b', 'a b', '-a', 'a>1', 'x'.repeat(5_000)])(
    'that is none is refused: %.20s',
    (text) => {
      expect(() => parseLabelSelector(text)).toThrow(/labelSelector/);
    },
  );
});
