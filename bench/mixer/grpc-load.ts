/** Sidecars that report to a mixer process over gRPC, once a second, spread over the second. */
import { Client, credentials, type ClientWritableStream } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamMetrics } from '../../proxy/api/metrics-service.ts';
import { readCpuMicros } from '../cpu-meter.ts';
import { startMixerProcess, type MixerProcess } from './mixer-process.ts';
import { type ReportForm, ReportingSidecar } from './reports.ts';

interface Sender {
  readonly client: Client;
  readonly call: ClientWritableStream<Uint8Array>;
  readonly workload: number;
}

const workloads = 20;
/** Ticks of a second: in each of them a part of the sidecars reports. */
const ticks = 50;

export class GrpcLoad {
  readonly #mixer: MixerProcess;
  readonly #senders: readonly Sender[];
  /** One for all instances of a workload: they say the same. */
  readonly #sidecars: readonly ReportingSidecar[];
  readonly #createdMs = Date.now() - 60_000;
  #count = 0;

  private constructor(mixer: MixerProcess, senders: readonly Sender[], sidecars: readonly ReportingSidecar[]) {
    this.#mixer = mixer;
    this.#senders = senders;
    this.#sidecars = sidecars;
  }

  static async start(
    { sidecars, labelSets }: { readonly sidecars: number; readonly labelSets: number },
    form: ReportForm,
  ): Promise<GrpcLoad> {
    const mixer = await startMixerProcess();
    const load = (workload: string) => ({ form, workload, labelSets });
    const senders = Array.from({ length: sidecars }, (_, i): Sender => {
      // As sidecars do, each has a connection of its own.
      const client = new Client(`127.0.0.1:${mixer.grpcPort}`, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.per_rpc_retry_buffer_size': 0,
      });
      const { path, requestSerialize, responseDeserialize } = streamMetrics;
      const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, () => {});
      call.on('error', () => {});
      call.write(new ReportingSidecar(`sidecar-${i}`, load('')).introduction());
      return { client, call, workload: i % workloads };
    });
    await sleep(2_000);
    const reporting = Array.from({ length: workloads }, (_, i) => new ReportingSidecar('', load(`workload-${i}`)));
    const started = new GrpcLoad(mixer, senders, reporting);
    await started.#introduce();
    return started;
  }

  /** Share of one core that the mixer takes, and how many of the due reports could be sent in time. */
  async run(seconds: number): Promise<{ share: number; kept: number }> {
    await this.#second();
    await this.#second();
    const beforeMicros = readCpuMicros(this.#mixer.pid);
    const startMs = performance.now();
    for (let i = 0; i < seconds; i += 1) await this.#second();
    const elapsedMs = performance.now() - startMs;
    const share = (readCpuMicros(this.#mixer.pid) - beforeMicros) / 1_000 / elapsedMs;
    await this.#checkCounts();
    return { share, kept: (seconds * 1_000) / elapsedMs };
  }

  /** What is refused costs less. The last messages may still be on their way. */
  async #checkCounts(): Promise<void> {
    await sleep(500);
    const { counted, rejected } = await this.#mixer.counts();
    const sent = this.#count * this.#senders.length * (this.#sidecars[0]?.metricCount ?? 0);
    if (counted !== sent || rejected > 0)
      throw new Error(`of ${sent} metrics ${counted} count, ${rejected} are refused`);
  }

  /** Everything is said in full at first, by a part of the sidecars after the other. */
  async #introduce(): Promise<void> {
    this.#count += 1;
    const messages = this.#sidecars.map((sidecar) => sidecar.whole(this.#count, this.#createdMs));
    for (let tick = 0; tick < ticks; tick += 1) await this.#send(messages, tick);
  }

  async #second(): Promise<void> {
    this.#count += 1;
    const messages = this.#sidecars.map((sidecar) => sidecar.next(this.#count, this.#createdMs));
    const startMs = performance.now();
    for (let tick = 0; tick < ticks; tick += 1) {
      await this.#send(messages, tick);
      await sleep(Math.max(0, startMs + ((tick + 1) * 1_000) / ticks - performance.now()));
    }
  }

  /** The part of the sidecars whose turn it is. */
  async #send(messages: readonly Uint8Array[], tick: number): Promise<void> {
    const written: Promise<void>[] = [];
    for (let i = tick; i < this.#senders.length; i += ticks) {
      const { call, workload } = this.#senders[i] ?? {};
      const message = messages[workload ?? 0];
      if (call === undefined || message === undefined) continue;
      written.push(new Promise((resolve) => call.write(message, () => resolve())));
    }
    await Promise.all(written);
  }

  async close(): Promise<void> {
    for (const { client, call } of this.#senders) {
      call.cancel();
      client.close();
    }
    await this.#mixer.stop();
  }
}
