/** What the peer's SETTINGS say (RFC 9113 §6.5.2), with the values that hold before it has said anything. */
import { defaultWindowBytes, ErrorCode, maxFrameBytes, maxWindowBytes } from './frames.ts';

export const SettingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
} as const;

const settingBytes = 6;
const largestFrameBytes = 2 ** 24 - 1;

export class RemoteSettings {
  headerTableBytes = 4_096;
  maxConcurrentStreams = Infinity;
  initialWindowBytes = defaultWindowBytes;
  maxFrameBytes = maxFrameBytes;
  readonly #maxEnablePush: number;

  /** Only a client says whether it may be pushed to. */
  constructor(isOfClient: boolean) {
    this.#maxEnablePush = isOfClient ? 1 : 0;
  }

  /** Takes the payload of a SETTINGS frame, in its order. Returns an error code where a value is not allowed, or 0. */
  apply(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at + settingBytes <= end; at += settingBytes) {
      const code = this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
      if (code !== ErrorCode.noError) return code;
    }
    return ErrorCode.noError;
  }

  /** What is not known is passed over. */
  #set(id: number, value: number): number {
    switch (id) {
      case SettingId.headerTableSize:
        this.headerTableBytes = value;
        return ErrorCode.noError;
      case SettingId.enablePush:
        return value > this.#maxEnablePush ? ErrorCode.protocolError : ErrorCode.noError;
      case SettingId.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return ErrorCode.noError;
      case SettingId.initialWindowSize:
        if (value > maxWindowBytes) return ErrorCode.flowControlError;
        this.initialWindowBytes = value;
        return ErrorCode.noError;
      case SettingId.maxFrameSize:
        if (value < maxFrameBytes || value > largestFrameBytes) return ErrorCode.protocolError;
        this.maxFrameBytes = value;
        return ErrorCode.noError;
      default:
        return ErrorCode.noError;
    }
  }
}
