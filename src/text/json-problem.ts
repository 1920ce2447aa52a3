export interface JsonProblem {
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
  readonly problem: string;
}

/**
 * Finds the first place at which a text is not JSON (RFC 8259), or at which an object has a key a second
 * time; undefined when there is none. Of two equal keys JSON.parse takes the last, so a second "deny"
 * would undo the first without a word; and the place in its errors differs from engine to engine, or is missing.
 */
export function findJsonProblem(text: string): JsonProblem | undefined {
  const reader = new Reader(text);
  try {
    reader.beginning();
    reader.value(0);
    reader.end();
    return undefined;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    const before = text.slice(0, error.offset).split('\n');
    return { line: before.length, column: (before.at(-1) ?? '').length + 1, problem: error.problem };
  }
}

/** Why a text that JSON.parse refused is not JSON, with its place, in one sentence without a period. */
export function jsonReason(text: string): string {
  const found = findJsonProblem(text);
  return found === undefined ? 'it cannot be decoded' : `line ${found.line}, column ${found.column}: ${found.problem}`;
}

/** Deeper than any policy, and shallower than any stack. */
const deepest = 100;

class Stop {
  readonly offset: number;
  readonly problem: string;

  constructor(offset: number, problem: string) {
    this.offset = offset;
    this.problem = problem;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;
  /** Where the comma stands that was read last of all. */
  #comma: number | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** What a person may have saved in place of JSON is named, not its first character. */
  beginning(): void {
    const begin = this.#text.slice(0, 4096);
    if (begin.trim() === '') throw new Stop(0, 'it is empty');
    if (begin.startsWith('\uFEFF'))
      throw new Stop(0, 'a byte order mark stands before the text: save it as UTF-8 without one');
    if (/^\uFFFD|\0/u.test(begin)) throw new Stop(0, 'it is not UTF-8 text');
    const yaml = /^(?:\s*#.*\n|\s*\n)*(?:---(?:\s|$)|(?:- )?[a-zA-Z][\w.-]*:(?:\s|$))/u.exec(begin);
    if (yaml !== null) throw new Stop(yaml[0].search(/\S/u), 'this is YAML, and JSON is expected');
  }

  value(depth: number): void {
    this.#space();
    if (depth > deepest) throw new Stop(this.#at, `objects and lists are nested more than ${deepest} deep`);
    if (this.#take('{')) return this.#object(depth);
    if (this.#take('[')) return this.#list(depth);
    if (this.#match(/"/y, false) !== undefined) return void this.#string();
    if (this.#match(/(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y) === undefined)
      throw new Stop(this.#at, `a value is expected, and there is ${this.#next()}`);
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw new Stop(this.#at, `the end is expected, and there is ${this.#next()}`);
  }

  #object(depth: number): void {
    const keys = new Set<string>();
    if (this.#take('}')) return;
    do {
      this.#refuseTrailing('}');
      const start = this.#at;
      const key = this.#string();
      if (keys.has(key)) throw new Stop(start, `the key ${JSON.stringify(key)} is there a second time`);
      keys.add(key);
      if (!this.#take(':')) throw new Stop(this.#at, `":" is expected, and there is ${this.#next()}`);
      this.value(depth + 1);
    } while (this.#take(','));
    if (!this.#take('}')) throw new Stop(this.#at, `"," or "}" is expected, and there is ${this.#next()}`);
  }

  #list(depth: number): void {
    if (this.#take(']')) return;
    do {
      this.#refuseTrailing(']');
      this.value(depth + 1);
    } while (this.#take(','));
    if (!this.#take(']')) throw new Stop(this.#at, `"," or "]" is expected, and there is ${this.#next()}`);
  }

  /** After the comma of the last entry comes the end of what it is in. */
  #refuseTrailing(end: '}' | ']'): void {
    this.#space();
    if (this.#comma !== undefined && this.#text[this.#at] === end)
      throw new Stop(this.#comma, `the comma before "${end}" is one too many`);
  }

  #string(): string {
    const start = this.#at;
    const string = this.#match(/"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (string !== undefined) return String(JSON.parse(string));
    throw new Stop(
      start,
      this.#text[start] === '"'
        ? 'the string does not end on its line, or has a wrong escape in it'
        : `a string in double quotes is expected, and there is ${this.#next()}`,
    );
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#comma = character === ',' ? this.#at : undefined;
    this.#at += 1;
    return true;
  }

  #space(): void {
    this.#match(/[ \t\r\n]*/y);
    if (/^(?:\/[/*]|#)/u.test(this.#text.slice(this.#at, this.#at + 2)))
      throw new Stop(this.#at, 'there is a comment, and JSON has none');
  }

  #match(pattern: RegExp, advance = true): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined && advance) this.#at += found.length;
    return found;
  }

  #next(): string {
    const word = /[^\s,:[\]{}"]{1,20}|[^]/y;
    word.lastIndex = this.#at;
    const found = word.exec(this.#text)?.[0];
    const quotes = /^['\u2018-\u201F]/u.test(found ?? '') ? ', whose quotes are not JSON' : '';
    return found === undefined ? 'the end' : `${JSON.stringify(found)}${quotes}`;
  }
}
