/** One webhook called once, or again after a failure: JSON that says which release, signed where a secret is given. */
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Backoff } from '../../proxy/common/backoff.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { HttpCaller } from './http-caller.ts';
import type { Webhook } from './release-plan.ts';

export interface WebhookParts {
  readonly caller: HttpCaller;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Flagger's payload: `metadata` holds what the user wrote, and of events what happened. */
export interface WebhookPayload {
  readonly name: string;
  readonly namespace: string;
  readonly phase: string;
  /** Of the release: the revision. */
  readonly checksum: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface WebhookAnswer {
  /** Answered with a status of 2xx. */
  readonly isPassed: boolean;
  readonly message: string;
}

/** `sha256=` and the HMAC of the body in hexadecimal digits. */
export const signatureHeader = 'x-heddle-signature-256';

const firstRetryMs = 250;
const longestRetryMs = 4000;

export async function callWebhook(hook: Webhook, payload: WebhookPayload, parts: WebhookParts): Promise<WebhookAnswer> {
  const body = JSON.stringify({ ...payload, metadata: { ...hook.metadata, ...payload.metadata } });
  const signature = await sign(body, hook.secretFile);
  if (signature.fault !== undefined) return { isPassed: false, message: `webhook ${hook.name}: ${signature.fault}` };
  const backoff = new Backoff(firstRetryMs, longestRetryMs, parts.random);
  let answer: WebhookAnswer = { isPassed: false, message: '' };
  for (let attempt = 0; attempt <= hook.retries; attempt += 1) {
    if (attempt > 0) await sleep(parts.clock, backoff.nextDelayMs());
    answer = await callOnce(hook, { body, headers: signature.headers }, parts.caller);
    if (answer.isPassed) return answer;
  }
  return answer;
}

interface SignedBody {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function callOnce(hook: Webhook, { body, headers }: SignedBody, caller: HttpCaller): Promise<WebhookAnswer> {
  const { url, timeoutMs, name } = hook;
  const answer = await caller.call({ url, method: 'POST', headers, body, timeoutMs });
  if (answer.fault !== undefined) return { isPassed: false, message: `webhook ${name}: ${answer.fault}` };
  const isPassed = answer.status >= 200 && answer.status < 300;
  const word = isPassed ? 'says yes' : `answers with HTTP status ${answer.status}`;
  return { isPassed, message: `webhook ${name} ${word}` };
}

type Signature =
  | { readonly headers: Readonly<Record<string, string>>; readonly fault?: undefined }
  | { readonly fault: string };

/** The file is read each time: whoever replaces it needs no restart. */
async function sign(body: string, secretFile: string | undefined): Promise<Signature> {
  const headers = { 'content-type': 'application/json', 'user-agent': 'heddle' };
  if (secretFile === undefined) return { headers };
  try {
    const secret = (await readFile(secretFile, 'utf8')).trim();
    if (secret === '') return { fault: `${secretFile} holds no secret` };
    const digest = createHmac('sha256', secret).update(body).digest('hex');
    return { headers: { ...headers, [signatureHeader]: `sha256=${digest}` } };
  } catch (error) {
    return { fault: `${secretFile} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})` };
  }
}

function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, delayMs));
}
