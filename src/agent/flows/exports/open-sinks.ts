import { FileSink } from './file-sink.ts';
import { JournalSink } from './journal-sink.ts';
import type { FlowDestinations, FlowSink } from './sink.ts';

/** Opens what is asked for. OpenTelemetry's library is loaded for nobody else. */
export async function openSinks({ journal, file, otlp }: FlowDestinations, version: string): Promise<FlowSink[]> {
  const sinks: FlowSink[] = [];
  if (journal) sinks.push(new JournalSink());
  if (file !== undefined) sinks.push(new FileSink(file));
  if (otlp !== undefined) {
    const { OtlpSink } = await import('./otlp-sink.ts');
    sinks.push(new OtlpSink(otlp, version));
  }
  return sinks;
}
