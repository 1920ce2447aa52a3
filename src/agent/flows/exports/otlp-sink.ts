import { hostname } from 'node:os';
import { SeverityNumber, type AnyValueMap } from '@opentelemetry/api-logs';
import { ExportResultCode } from '@opentelemetry/core';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider, type LogRecordProcessor, type SdkLogRecord } from '@opentelemetry/sdk-logs';
import type { FlowRecord } from '../../../flows/flow-record.ts';
import { WriteQueue } from '../../../flows/write-queue.ts';
import { hostText } from '../../../ip/host-text.ts';
import type { FlowSink } from './sink.ts';

/** Records that may wait for a collector that is slow, or away. */
const most = 10_000;
/** Records of one request. */
const together = 500;
/** Milliseconds for one request, with its repetitions. */
const patience = 10_000;

/**
 * Sends records as log events to a collector of OpenTelemetry, by OTLP over HTTP in JSON. Headers and certificates come
 * from the environment, as with others of its kind (OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_CERTIFICATE).
 */
export class OtlpSink implements FlowSink {
  readonly name = 'otlp';
  readonly #address: string;
  readonly #exporter: OTLPLogExporter;
  readonly #queue: WriteQueue<SdkLogRecord>;
  readonly #provider: LoggerProvider;

  constructor(address: URL, version: string) {
    const url = new URL(address);
    if (url.pathname === '/') url.pathname = '/v1/logs';
    this.#address = url.origin;
    this.#exporter = new OTLPLogExporter({ url: url.href, timeoutMillis: patience });
    this.#queue = new WriteQueue<SdkLogRecord>({
      write: async (records) => {
        for (let at = 0; at < records.length; at += together) await this.#export(records.slice(at, at + together));
      },
      most,
      sizeOf: () => 1,
    });
    const processor: LogRecordProcessor = {
      onEmit: (record) => this.#queue.append(record),
      forceFlush: async () => this.#queue.flush(),
      shutdown: async () => this.#queue.flush(),
    };
    this.#provider = new LoggerProvider({
      resource: resourceFromAttributes({
        'service.name': 'drawbridge',
        'service.version': version,
        'host.name': hostname(),
      }),
      processors: [processor],
    });
  }

  get lost(): number {
    return this.#queue.lost;
  }

  get problem(): string | undefined {
    const { problem } = this.#queue;
    return problem === undefined ? undefined : `Cannot send records of flows to "${this.#address}": ${problem}`;
  }

  send(record: FlowRecord): void {
    const { verdict } = record;
    this.#provider.getLogger('drawbridge').emit({
      eventName: 'drawbridge.flow',
      timestamp: new Date(record.time),
      severityNumber: verdict === 'deny' ? SeverityNumber.WARN : SeverityNumber.INFO,
      severityText: verdict === 'deny' ? 'WARN' : 'INFO',
      body: sentenceOf(record),
      attributes: attributesOf(record),
    });
  }

  async close(): Promise<void> {
    await this.#provider.shutdown();
    await this.#exporter.shutdown();
  }

  async #export(records: SdkLogRecord[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#exporter.export(records, ({ code, error }) => {
        if (code === ExportResultCode.SUCCESS) resolve();
        else reject(error ?? new Error('it was refused'));
      });
    });
  }
}

function sentenceOf({ verdict, container, containerName, destination, port, protocol, rule }: FlowRecord): string {
  const what = { allow: 'allowed', deny: 'denied', audit: 'would be denied' }[verdict];
  const where = `${hostText(destination)}${port === undefined ? '' : `:${port}`}/${protocol}`;
  return `${containerName ?? container} to ${where}: ${what} by ${rule}`;
}

/** Names are those of OpenTelemetry's semantic conventions where there are any. */
function attributesOf(record: FlowRecord): AnyValueMap {
  const { bytes, labels, port, pod, namespace } = record;
  const all: AnyValueMap = {
    'drawbridge.id': record.id,
    'drawbridge.verdict': record.verdict,
    'drawbridge.direction': record.direction,
    'drawbridge.network': record.network,
    'drawbridge.policy': record.policy ?? undefined,
    'drawbridge.rule': record.rule,
    'drawbridge.reason': record.reason,
    'drawbridge.place': record.place,
    'drawbridge.count': record.count,
    'drawbridge.until': record.until,
    'drawbridge.peer': record.peer,
    'drawbridge.bytes.sent': bytes?.sent,
    'drawbridge.bytes.received': bytes?.received,
    'container.id': record.container,
    'container.name': record.containerName,
    'k8s.pod.name': pod,
    'k8s.namespace.name': namespace,
    'network.interface.name': record.ifname,
    'network.transport': record.protocol,
    'source.address': record.source,
    'destination.address': record.destination,
    'destination.port': port,
    'destination.domain': record.name,
    ...Object.fromEntries(Object.entries(labels ?? {}).map(([name, value]) => [`container.label.${name}`, value])),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
