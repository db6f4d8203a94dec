/** The first part of a drain (B10): nobody is sent here any more, as far as that can be known. */
import type { Clock } from './common/clock.ts';
import type { ListenerManager } from './listener/listener-manager.ts';
import type { AdsClient } from './xds/ads-client.ts';

export interface Rotation {
  readonly ads: Pick<AdsClient, 'withdraw'>;
  readonly listeners: Pick<ListenerManager, 'announceDrain'>;
  readonly clock: Clock;
}

/** How long the others may take to let go of the endpoint; one that is cut off from its control plane never does. */
const maxNoticeMs = 2_000;
/** From this part of the notice on, responses themselves tell the callers that did not hear of it. */
const announcingPart = 3 / 4;
/** For requests that were on their way when their sender let go: longer than a round trip. */
const inFlightMs = 50;

/**
 * Resolves when the control plane says that all others have let go of the endpoint, and after 2 s, or half of the
 * deadline, in any case. From then on responses ask to reconnect elsewhere.
 */
export async function leaveRotation({ ads, listeners, clock }: Rotation, deadlineMs: number): Promise<void> {
  const noticeMs = Math.min(maxNoticeMs, deadlineMs / 2);
  const hasEverybodyAnswered = await new Promise<boolean>((resolve) => {
    const cancelAnnouncement = clock.setTimer(() => listeners.announceDrain(), noticeMs * announcingPart);
    const cancelEnd = clock.setTimer(() => resolve(false), noticeMs);
    void ads.withdraw().then(() => {
      cancelAnnouncement();
      cancelEnd();
      resolve(true);
    });
  });
  listeners.announceDrain();
  if (hasEverybodyAnswered)
    await new Promise<void>((resolve) => clock.setTimer(resolve, Math.min(inFlightMs, noticeMs)));
}
