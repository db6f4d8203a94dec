/**
 * Envoy's statistics under the names its Prometheus endpoint gives them: variable parts of a dotted name become labels
 * (Envoy's well-known tags, `source/common/config/well_known_names.cc`), the rest is joined with underscores.
 */
import { formatLabels, type ExposedFamily, type ExposedSeries, type Label } from '../common/exposition.ts';
import { defaultUpperBounds, type Histogram } from '../common/histogram.ts';
import type { Stat, StatsStore } from '../common/stats.ts';

export interface PrometheusName {
  readonly name: string;
  readonly labels: readonly Label[];
}

interface TagRule {
  readonly label: string;
  /** The group named `tag`, without the separator next to it, is the label's value and leaves the name. */
  readonly pattern: RegExp;
}

/** Cluster names contain dots: a name ends where the last part, or one of Envoy's groups of cluster statistics, begins. */
const clusterGroups =
  'circuit_breakers\\.(?:default|high)|outlier_detection|ssl|external|internal|canary|http1|http2|lb_subsets';

const tagRules: readonly TagRule[] = [
  { label: 'envoy_response_code', pattern: /_rq(?<tag>_\d{3})$/d },
  { label: 'envoy_response_code_class', pattern: /_rq_(?<tag>\d)xx$/d },
  { label: 'envoy_virtual_host', pattern: /^vhost\.(?<tag>.+?\.)(?:route\..+|[^.]+)$/d },
  { label: 'envoy_route', pattern: /^vhost\.route\.(?<tag>.+\.)[^.]+$/d },
  { label: 'envoy_listener_address', pattern: /^listener\.(?<tag>(?:\[[^\]]*\]|[\d.]+)_\d+\.)/d },
  {
    label: 'envoy_rbac_policy_name',
    pattern: /^http\..+?\.rbac\.(?:.+?\.)?policy\.(?<tag>.+\.)(?:shadow_)?(?:allowed|denied)$/d,
  },
  {
    label: 'envoy_rbac_http_prefix',
    pattern: /^http\..+?\.rbac\.(?<tag>(?!policy\.[^.]+$).+?\.)(?:policy\.)?(?:shadow_)?(?:allowed|denied)$/d,
  },
  { label: 'envoy_ext_authz_prefix', pattern: /^http\..+?\.ext_authz\.(?<tag>.+\.)[^.]+$/d },
  {
    label: 'envoy_http_conn_manager_prefix',
    pattern: /^(?:listener\.)?http\.(?<tag>.+?\.)(?:(?:rds|rbac|ext_authz|fault|cors|tracing)\..+|[^.]+)$/d,
  },
  {
    label: 'envoy_cluster_name',
    pattern: new RegExp(`^cluster\\.(?<tag>.+?\\.)(?:(?:${clusterGroups})\\.)?[^.]+$`, 'd'),
  },
];

/** `cluster.reviews.upstream_rq_200` → `envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="reviews"}`. */
export function prometheusName(statName: string): PrometheusName {
  let rest = statName;
  const labels: Label[] = [];
  for (const { label, pattern } of tagRules) {
    const span = pattern.exec(rest)?.indices?.groups?.['tag'];
    if (span === undefined) continue;
    labels.push({ name: label, value: rest.slice(...span).replaceAll(/^_|\.$/g, '') });
    rest = rest.slice(0, span[0]) + rest.slice(span[1]);
  }
  return { name: `envoy_${rest.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`, labels };
}

/** All statistics of a store, one family per name and kind. */
export function envoyFamilies(stats: StatsStore): ExposedFamily[] {
  return [...numberFamilies(stats), ...histogramFamilies(stats)];
}

function histogramFamilies(stats: StatsStore): ExposedFamily[] {
  const families = new Map<string, ExposedSeries<Histogram>[]>();
  for (const histogram of stats.histograms()) {
    if (histogram.count === 0) continue;
    const { name, labels } = prometheusName(histogram.name);
    const series = families.get(name) ?? [];
    families.set(name, series);
    series.push({ labels: formatLabels(labels), value: histogram });
  }
  const upperBounds = defaultUpperBounds;
  return [...families].map(([name, series]) => ({ name, help: helpOf(name), type: 'histogram', upperBounds, series }));
}

function numberFamilies(stats: StatsStore): ExposedFamily[] {
  const families = new Map<string, { stat: Stat; series: ExposedSeries<number>[] }>();
  for (const stat of stats.entries()) {
    const { name, labels } = prometheusName(stat.name);
    const family = families.get(name) ?? { stat, series: [] };
    families.set(name, family);
    family.series.push({ labels: formatLabels(labels), value: stat.shownValue });
  }
  return [...families].map(([name, { stat, series }]) => ({ name, help: helpOf(name), type: stat.kind, series }));
}

export function helpOf(name: string): string {
  return `Envoy statistic ${name.slice('envoy_'.length)}.`;
}
