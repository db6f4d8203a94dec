import { parseDurationMs } from '../../crds/duration.ts';
import { formatProtoDuration } from '../../proxy/common/duration.ts';

/** The resource's check has accepted the text; should that ever fail, 0 would mean "no limit" and say so in a dump. */
export function protoDurationOf(goDuration: string): string {
  return formatProtoDuration(parseDurationMs(goDuration) ?? 0);
}
