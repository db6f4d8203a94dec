/** Tags of protobuf's wire format: what precedes each value. Source: protobuf.dev/programming-guides/encoding. */

export const varintTag = (field: number): number => field * 8;
export const fixed64Tag = (field: number): number => field * 8 + 1;
export const lengthTag = (field: number): number => field * 8 + 2;
