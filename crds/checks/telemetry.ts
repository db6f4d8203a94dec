/** Telemetry as a whole. */
import { parseLogFilter } from '../log-filter.ts';
import type { TelemetrySpec } from '../telemetry.ts';
import { childPath } from '../findings.ts';
import type { Check } from './check.ts';
import { checkSelector } from './labels.ts';

export const checkTelemetry: Check<TelemetrySpec> = (spec, _metadata, findings) => {
  const { selector, accessLogging = [], metrics = [] } = spec;
  if (selector !== undefined) checkSelector(selector.matchLabels, 'spec.selector.matchLabels', findings);
  for (const [index, { overrides = [] }] of metrics.entries()) {
    for (const [nth, { tagOverrides = {} }] of overrides.entries()) {
      const path = `spec.metrics[${index}].overrides[${nth}].tagOverrides`;
      for (const [label, { operation = 'UPSERT', value = '' }] of Object.entries(tagOverrides)) {
        const at = childPath(path, label);
        if (!/^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) || label === 'le') {
          findings.error(at, 'must be the name of a label of Prometheus');
        }
        if (operation === 'UPSERT' && value === '') findings.error(`${at}.value`, 'must be set');
        if (operation === 'REMOVE' && value !== '')
          findings.error(`${at}.value`, 'must not be set where it is removed');
      }
    }
  }
  for (const [index, { providers = [], filter }] of accessLogging.entries()) {
    const path = `spec.accessLogging[${index}]`;
    for (const [nth, { name }] of providers.entries()) {
      if (name === '') findings.error(`${path}.providers[${nth}].name`, 'must not be empty');
    }
    if (filter?.expression) findings.expect(`${path}.filter.expression`, parseLogFilter(filter.expression).fault);
  }
};
