/** What the agent's method "flows" answers. */
export interface FlowsAnswer {
  /** Decisions since it started that are in no record, by where they were lost: "share", "kernel", "disk", … */
  readonly lost: Readonly<Record<string, number>>;
}
