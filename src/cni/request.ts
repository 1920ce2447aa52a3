/** The verbs of the specification. VERSION is answered before a request is made of the input. */
export type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** Names one interface of one container on one network: the unit that everything we make belongs to. */
export interface AttachmentId {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}
