/** Ends what a test has started, last first, however the test went. */
import { onTestFinished } from 'vitest';

export function closeAfterTest<T extends { close(): unknown } | { destroy(): unknown }>(resource: T): T {
  onTestFinished(async () => {
    await ('close' in resource ? resource.close() : resource.destroy());
  });
  return resource;
}
