/** When a CheckRule holds, and what it answers to whom it denies. */
import { isTimeZone } from '../../proxy/common/time-zone.ts';
import { parseTimestampMs } from '../../proxy/common/timestamp.ts';
import type { CheckRuleSpec, CheckTime } from '../check-rule.ts';
import { childPath, type Findings, show } from '../findings.ts';
import { headerNameFault } from '../names.ts';

export function checkTime(time: CheckTime, path: string, findings: Findings): void {
  const { days, from, to, timeZone } = time;
  if (days?.length === 0) findings.error(`${path}.days`, 'must have at least one');
  checkMoments(time, path, findings);
  if (from !== undefined) checkTimeOfDay(from, '23:59', `${path}.from`, findings);
  if (to !== undefined) checkTimeOfDay(to, '24:00', `${path}.to`, findings);
  if (from !== undefined && from === to) findings.error(`${path}.to`, 'must be another time than from');
  if (timeZone === undefined) return;
  if (!/^[A-Za-z]/.test(timeZone) || !isTimeZone(timeZone)) {
    findings.error(`${path}.timeZone`, `must be a time zone such as Europe/Berlin, got ${show(timeZone)}`);
  }
  if (days === undefined && from === undefined && to === undefined) {
    findings.error(`${path}.timeZone`, 'has no effect without days, from and to');
  }
}

function checkMoments({ notBefore, notAfter }: CheckTime, path: string, findings: Findings): void {
  for (const [key, text] of Object.entries({ notBefore, notAfter })) {
    if (text !== undefined && parseTimestampMs(text) === undefined) {
      findings.error(`${path}.${key}`, `must be a moment such as 2026-01-31T18:00:00Z, got ${show(text)}`);
    }
  }
  const startMs = parseTimestampMs(notBefore ?? '');
  const endMs = parseTimestampMs(notAfter ?? '');
  if (startMs !== undefined && endMs !== undefined && endMs <= startMs) {
    findings.error(`${path}.notAfter`, 'must be after notBefore');
  }
}

/** `last`: the latest there may be. */
function checkTimeOfDay(text: string, last: string, path: string, findings: Findings): void {
  if (!/^\d\d:[0-5]\d$/.test(text) || text > last) {
    findings.error(path, `must be a time of the day from 00:00 to ${last}, got ${show(text)}`);
  }
}

/** Of `message`; Envoy itself knows no limit, and it goes to each sidecar with each route. */
const maxMessageBytes = 4096;
/** Each hop frames messages itself. */
const framingHeaders = ['host', 'content-length', 'transfer-encoding'];

export function checkDenyWith({ action, denyWith }: CheckRuleSpec, findings: Findings): void {
  if (denyWith === undefined) return;
  const path = 'spec.denyWith';
  if (action === 'CUSTOM') return findings.error(path, 'has no effect on CUSTOM: the provider says what is answered');
  if (Object.keys(denyWith).length === 0) findings.error(path, 'must have one of status, message and headers');
  const { message = '', headers = {} } = denyWith;
  const sizeBytes = Buffer.byteLength(message);
  if (sizeBytes > maxMessageBytes) {
    findings.error(`${path}.message`, `must have at most ${maxMessageBytes} bytes, got ${sizeBytes}`);
  }
  for (const [name, value] of Object.entries(headers)) {
    const at = childPath(`${path}.headers`, name);
    findings.expect(at, headerNameFault(name));
    if (framingHeaders.includes(name.toLowerCase())) findings.error(at, 'is not up to a rule');
    // eslint-disable-next-line no-control-regex
    if (value === '' || /[\u0000-\u001f\u007f]/.test(value)) findings.error(at, 'must be one line of text');
  }
}
