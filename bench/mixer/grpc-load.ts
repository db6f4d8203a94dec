/** Sidecars that report to a mixer process over gRPC, once a second, spread over the second. */
import { Client, credentials, type ClientWritableStream } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamMetrics } from '../../proxy/api/metrics-service.ts';
import { readCpuMicros } from '../cpu-meter.ts';
import { startMixerProcess, type MixerProcess } from './mixer-process.ts';
import { ReportingSidecar } from './reports.ts';

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
  readonly #labelSets: number;
  #count = 0;

  private constructor(mixer: MixerProcess, senders: readonly Sender[], labelSets: number) {
    this.#mixer = mixer;
    this.#senders = senders;
    this.#labelSets = labelSets;
  }

  static async start(options: { readonly sidecars: number; readonly labelSets: number }): Promise<GrpcLoad> {
    const mixer = await startMixerProcess();
    const senders = Array.from({ length: options.sidecars }, (_, i): Sender => {
      // As sidecars do, each has a connection of its own.
      const client = new Client(`127.0.0.1:${mixer.grpcPort}`, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.per_rpc_retry_buffer_size': 0,
      });
      const { path, requestSerialize, responseDeserialize } = streamMetrics;
      const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, () => {});
      call.on('error', () => {});
      call.write(new ReportingSidecar(`sidecar-${i}`, '', 0).next(0, 0));
      return { client, call, workload: i % workloads };
    });
    await sleep(2_000);
    return new GrpcLoad(mixer, senders, options.labelSets);
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
    return { share, kept: (seconds * 1_000) / elapsedMs };
  }

  async #second(): Promise<void> {
    this.#count += 1;
    const createdMs = Date.now() - 60_000;
    // The start time stays that of the first second.
    this.#createdMs ||= createdMs;
    const messages = Array.from({ length: workloads }, (_, i) => this.#sidecarOf(i).next(this.#count, this.#createdMs));
    const startMs = performance.now();
    for (let tick = 0; tick < ticks; tick += 1) {
      const written: Promise<void>[] = [];
      for (let i = tick; i < this.#senders.length; i += ticks) {
        const { call, workload } = this.#senders[i] ?? {};
        const message = messages[workload ?? 0];
        if (call !== undefined && message !== undefined) {
          written.push(new Promise((resolve) => call.write(message, () => resolve())));
        }
      }
      await Promise.all(written);
      await sleep(Math.max(0, startMs + ((tick + 1) * 1_000) / ticks - performance.now()));
    }
  }

  #createdMs = 0;
  readonly #sidecars = new Map<number, ReportingSidecar>();

  /** Encodes for all instances of a workload: they have introduced themselves. */
  #sidecarOf(workload: number): ReportingSidecar {
    let sidecar = this.#sidecars.get(workload);
    if (sidecar === undefined) {
      sidecar = new ReportingSidecar('', `workload-${workload}`, this.#labelSets);
      sidecar.next(0, 0);
      this.#sidecars.set(workload, sidecar);
    }
    return sidecar;
  }

  async close(): Promise<void> {
    for (const { client, call } of this.#senders) {
      call.cancel();
      client.close();
    }
    await this.#mixer.stop();
  }
}
