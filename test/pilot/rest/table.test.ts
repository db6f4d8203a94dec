import { expect, it } from 'vitest';
import { ManualClock } from '../../support/manual-clock.ts';
import { networking, startApi, virtualService } from './support.ts';

const asTable =
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';

it('answers kubectl with the columns of the kind', async () => {
  const clock = new ManualClock();
  const api = await startApi({ clock });
  const path = `${networking}/virtualservices`;
  await api.call('POST', path, virtualService('reviews'));
  const { body } = await api.call('GET', path, undefined, { accept: asTable });
  expect(body).toMatchObject({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    columnDefinitions: [{ name: 'Name', format: 'name' }, { name: 'Gateways' }, { name: 'Hosts' }, { name: 'Age' }],
    rows: [
      {
        cells: ['reviews', '<none>', '["reviews"]', expect.stringMatching(/^\d+[smhd]$/)],
        object: { metadata: { name: 'reviews' } },
      },
    ],
  });
  expect((await api.call('GET', `${path}/reviews`, undefined, { accept: asTable })).body).toMatchObject({
    kind: 'Table',
    rows: [{ cells: ['reviews', '<none>', '["reviews"]', expect.any(String)] }],
  });
  expect((await api.call('GET', path, undefined, { accept: 'application/json' })).body).toMatchObject({
    kind: 'VirtualServiceList',
  });
  await api.close();
});
