/** Where sidecars and workloads run: region, zone and subzone, in Istio's spellings. */
import type { NodeLocality } from '../../proxy/api/node.ts';

/** What is not known is empty. */
export type Locality = NodeLocality;

type Labels = Readonly<Record<string, string>>;

const regionLabel = 'topology.kubernetes.io/region';
const zoneLabel = 'topology.kubernetes.io/zone';
const subZoneLabel = 'topology.istio.io/subzone';
const clusterLabel = 'topology.istio.io/cluster';
/** A whole locality in one label, the newer name first. Labels cannot have a `/`, so `.` stands for it. */
const localityLabels = ['topology.istio.io/locality', 'istio-locality'] as const;

/** `region/zone/subzone`, shortened from the right. */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', subZone = ''] = text.split('/');
  return { region, zone, subZone };
}

/** `region/zone/subzone`; of equal localities equal. */
export function formatLocality({ region, zone, subZone }: Locality): string {
  return `${region}/${zone}/${subZone}`;
}

/** Of whoever has these labels and did not say where it runs. */
export function localityOfLabels(labels: Labels): Locality {
  const { [regionLabel]: region, [zoneLabel]: zone, [subZoneLabel]: subZone } = labels;
  if (region !== undefined || zone !== undefined || subZone !== undefined) {
    return { region: region ?? '', zone: zone ?? '', subZone: subZone ?? '' };
  }
  const text = localityLabels.map((name) => labels[name]).find((value) => value !== undefined) ?? '';
  return parseLocality(text.includes('/') ? text : text.replaceAll('.', '/'));
}

/** The labels with those that Istio derives from the place: rules may select by them whoever wrote them. */
export function withTopologyLabels(labels: Labels, { region, zone, subZone }: Locality, clusterId: string): Labels {
  const derived = { [regionLabel]: region, [zoneLabel]: zone, [subZoneLabel]: subZone, [clusterLabel]: clusterId };
  return { ...labels, ...Object.fromEntries(Object.entries(derived).filter(([, value]) => value !== '')) };
}

/** Whether `pattern` covers `locality`: `*` and what the pattern leaves out on the right cover everything. */
export function isLocalityCovered({ region, zone, subZone }: Locality, pattern: string): boolean {
  const wanted = parseLocality(pattern);
  const isCovered = (part: string, own: string): boolean => part === '*' || part === own;
  return (
    isCovered(wanted.region, region) &&
    (wanted.zone === '' || isCovered(wanted.zone, zone)) &&
    (wanted.subZone === '' || isCovered(wanted.subZone, subZone))
  );
}
