export interface ListenAddress {
  readonly address: string;
  /** 0: any free one, the same for UDP and TCP. */
  readonly port: number;
}

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** Judges and answers one message; undefined when there is to be no answer. Never rejects. */
export type Handle = (message: Buffer, source: string, protocol: 'udp' | 'tcp') => Promise<Buffer | undefined>;
