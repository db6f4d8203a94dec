/** Telemetry as a whole. */
import { parseLogFilter } from '../log-filter.ts';
import type { TelemetrySpec } from '../telemetry.ts';
import type { Check } from './check.ts';
import { checkSelector } from './labels.ts';

export const checkTelemetry: Check<TelemetrySpec> = ({ selector, accessLogging = [] }, _metadata, findings) => {
  if (selector !== undefined) checkSelector(selector.matchLabels, 'spec.selector.matchLabels', findings);
  for (const [index, { providers = [], filter }] of accessLogging.entries()) {
    const path = `spec.accessLogging[${index}]`;
    for (const [nth, { name }] of providers.entries()) {
      if (name === '') findings.error(`${path}.providers[${nth}].name`, 'must not be empty');
    }
    if (filter?.expression) findings.expect(`${path}.filter.expression`, parseLogFilter(filter.expression).fault);
  }
};
