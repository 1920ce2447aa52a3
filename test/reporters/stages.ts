import type { Reporter, TestModule, TestProject } from 'vitest/node';

/** What one stage, a project of vitest.config.ts, came to. */
interface Stage {
  /** Times of performance.now(), of its first and its last file. */
  readonly began: number;
  ended: number;
  readonly counts: Record<'passed' | 'failed' | 'skipped', number>;
  /** Why files were skipped as a whole. */
  readonly reasons: Set<string>;
}

/** A reporter of vitest that prints how many seconds each stage took, and why something of it was skipped. */
export default class Stages implements Reporter {
  readonly #stages = new Map<string, Stage>();

  onTestModuleStart({ project }: TestModule): void {
    this.#stageOf(project);
  }

  onTestModuleEnd(module: TestModule): void {
    const stage = this.#stageOf(module.project);
    stage.ended = performance.now();
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state !== 'pending') stage.counts[state] += 1;
    }
    // With "-t" most are skipped because nobody asked for them.
    if (module.project.config.testNamePattern !== undefined) return;
    for (const suite of module.children.allSuites())
      if (suite.options.mode === 'skip') stage.reasons.add(suite.fullName);
  }

  onTestRunEnd(): void {
    for (const [name, { began, ended, counts, reasons }] of this.#stages) {
      const { passed, failed, skipped } = counts;
      const seconds = ((ended - began) / 1000).toFixed(0);
      console.log(`stage ${name}: ${seconds} s, ${passed} passed, ${failed} failed, ${skipped} skipped`);
      for (const reason of reasons) console.log(`stage ${name}: skipped whole: ${reason}`);
    }
  }

  #stageOf({ name }: TestProject): Stage {
    const now = performance.now();
    const known = this.#stages.get(name) ?? {
      began: now,
      ended: now,
      counts: { passed: 0, failed: 0, skipped: 0 },
      reasons: new Set(),
    };
    this.#stages.set(name, known);
    return known;
  }
}
