/** Something to be put in place. */
export interface Item {
  readonly path: string;
  readonly about: string;
  /** Exactly one of both. */
  readonly content?: Buffer | string;
  readonly target?: string;
  readonly mode: number;
  /** What operators edit: theirs stays, and ours comes beside it. */
  readonly edited?: 'network' | 'unit';
  /** Made of our table of commands, under names that are ours: nobody edits it. Shown in one line with its like. */
  readonly shownAs?: string;
  /** What several of one line are. */
  readonly aboutMany?: string;
}
