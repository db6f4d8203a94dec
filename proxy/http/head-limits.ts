/** How much of a head is kept. */
export interface HeadLimits {
  /** Bytes of start line, headers and separators together. */
  readonly maxBytes: number;
  readonly maxHeaders: number;
}

/** Envoy's limits for response heads are those for request heads. */
export const responseHeadLimits: HeadLimits = { maxBytes: 61_440, maxHeaders: 100 };
