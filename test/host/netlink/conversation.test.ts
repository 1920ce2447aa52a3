import { openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Conversation, RefusedError } from '../../../src/host/netlink/conversation.ts';
import type { Kernel } from '../../../src/host/netlink/libc.ts';
import { concat, readNumber, u16, u32, u8 } from '../../../src/host/netlink/message.ts';

const question = { type: 22, flags: 0x300, head: new Uint8Array(8), attributes: [] };
const [done, error, multi, interrupted] = [3, 2, 0x2, 0x10];

/** A kernel that gives these answers, one for each question; what it is asked counts up. */
function talk(answers: readonly ((sequence: number) => Uint8Array[])[]): {
  conversation: Conversation;
  asked: () => number;
} {
  let asked = 0;
  let queue: Uint8Array[] = [];
  const kernel: Kernel = {
    openSocket: () => openSync('/dev/null', 'r'),
    openListener: () => undefined,
    openRawSocket: () => undefined,
    sendTo: () => true,
    openDatagramSocket: () => undefined,
    sendToPath: () => true,
    loadClassifier: () => undefined,
    control: () => 0,
    send: (_, sent) => {
      queue = answers[asked]?.(readNumber(sent, 8, 4)) ?? [];
      asked += 1;
      return true;
    },
    receive: () => queue.shift(),
    readOption: () => undefined,
    within: (_, work) => work(),
  };
  return { conversation: Conversation.open(kernel) ?? expect.fail(), asked: () => asked };
}

function message(type: number, flags: number, sequence: number, payload: Uint8Array): Uint8Array {
  return concat([u32(16 + payload.length), u16(type), u16(flags), u32(sequence), u32(0), payload]);
}

test('a dump comes in parts, among them what belongs to another question', () => {
  const { conversation } = talk([
    (sequence) => [
      message(20, multi, sequence, u32(1)),
      message(20, multi, sequence + 9, u32(2)),
      concat([message(20, multi, sequence, u32(3)), message(done, multi, sequence, u32(0))]),
    ],
  ]);
  expect(conversation.read(question).map(({ payload }) => readNumber(payload))).toEqual([1, 3]);
});

test('a dump that was interrupted is asked for again', () => {
  const dump = (flags: number) => (sequence: number) => [
    message(20, multi, sequence, u8(1, 0, 0, 0)),
    message(done, multi | flags, sequence, u32(0)),
  ];
  const { conversation, asked } = talk([dump(interrupted), dump(interrupted), dump(0)]);
  expect(conversation.read(question)).toHaveLength(1);
  expect(asked()).toBe(3);
});

test('a refusal has its number, and the sentence of the kernel', () => {
  const refusal = (sequence: number): Uint8Array[] => [
    message(
      error,
      0x100 | 0x200,
      sequence,
      concat([u32(-17 >>> 0), new Uint8Array(16), u16(4 + 8), u16(1), new TextEncoder().encode('In use.\0')]),
    ),
  ];
  const plain = (sequence: number): Uint8Array[] => [
    message(error, 0, sequence, concat([u32(-19 >>> 0), u32(16), new Uint8Array(12)])),
  ];
  const { conversation } = talk([refusal, plain]);
  expect(() => conversation.change(question)).toThrow(/^In use$/u);
  expect(() => conversation.change(question)).toThrow(new RefusedError(19, undefined));
});

test('a kernel that does not answer is no reason to wait', () => {
  const { conversation } = talk([() => []]);
  expect(() => conversation.change(question)).toThrow(/did not answer/u);
});
