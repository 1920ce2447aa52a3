/**
 * One part of the agent. The agent starts its services in their order and stops them in reverse (agent.ts); a service
 * may call those before it. A controller of something else is one more entry of that list.
 */
export interface Service {
  /** A word for status, metrics and log. */
  readonly name: string;
  /** It does its work when this settles. What it throws ends the agent. */
  start(): Promise<void> | void;
  /** Puts away what `start` began, also when that went only half of its way. */
  stop(): Promise<void>;
  /** What it cannot do now, one sentence each; empty when all is well. */
  health(): readonly string[];
}
