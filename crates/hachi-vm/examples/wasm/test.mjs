// Runs the module HACHI_WASM, of HACHI_WASM_MOST bytes at most, in Node.js, with the object
// HACHI_OBJECT: that of crates/hachi-cli/tests/programs/talker.rs.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { Machine } from './machine.js';

const [module, file] = [process.env.HACHI_WASM, process.env.HACHI_OBJECT].map((path) =>
  readFileSync(path),
);
const machine = await Machine.load(module);
const packet = (length) => new Uint8Array(length).fill(0x5a);

test('the module is small', () => {
  assert.ok(module.length <= Number(process.env.HACHI_WASM_MOST), `${module.length} bytes`);
});

test('an object says what it has', () => {
  const { programs, maps } = machine.open(file).describe();
  assert.deepEqual(programs, [{ name: 'talker', type: 'xdp', section: 'xdp' }]);
  const log = maps.find((map) => map.name === 'HACHI_LOG');
  assert.equal(log.type, 'ringbuf');
});

test('a run gives verdict, packet, log and the lines that ran', () => {
  const object = machine.open(file);
  const run = object.run('talker', packet(60));
  assert.equal(run.verdict, 2);
  assert.equal(run.fault, null);
  assert.equal(run.bytes, '5a'.repeat(60));
  assert.ok(run.instructions > 5);
  assert.equal(run.log.length, 1);
  assert.equal(run.log[0].level, 'info');
  assert.match(run.log[0].text, /^a packet of 60 bytes/);
  assert.ok(run.lines.length > 0);
  for (const line of run.lines) {
    assert.ok(line.count > 0);
    assert.equal(typeof line.file, 'string');
  }
  // What was read of the log is gone from it.
  assert.equal(object.run('talker', packet(61)).log.length, 1);
  object.close();
  assert.throws(() => object.run('talker', packet(60)), /no object/);
});

test('maps are filled and read', () => {
  const object = machine.open(file);
  const [key, value] = [new Uint8Array(4), new Uint8Array(8)];
  value[0] = 7;
  const map = object.describe().maps.find((map) => map.name === 'HACHI_LOG_LOST');
  assert.equal(map.key_size, 4);
  assert.equal(map.value_size, 8);
  object.update('HACHI_LOG_LOST', key, value);
  const [entry] = object.entries('HACHI_LOG_LOST');
  assert.equal(entry.key, '00000000');
  for (const value of entry.values) assert.equal(value, '0700000000000000');
  assert.throws(() => object.update('HACHI_LOG_LOST', key, key), /values of 8/);
  assert.throws(() => object.entries('NONE'), /NONE/);
});

test('a scene sets what the program sees', () => {
  const object = machine.open(file);
  const run = object.play('talker', `packet ${'5a'.repeat(61)}\nname cat\n`);
  assert.equal(run.meaning, 'XDP_PASS');
  assert.match(run.log[0].text, /^a packet of 61 bytes/);
  assert.throws(() => object.play('talker', 'pocket 00'), /`pocket 00` is not a line/);
  assert.throws(() => object.play('talker', 'packet 0'), /`packet 0` is not a line/);
});

test('maps are shown by their types', () => {
  const object = machine.open(file);
  // Those of the library, and constants, are left out.
  assert.deepEqual(object.maps(), []);
});

test('the kernel’s structures need its types', () => {
  const object = machine.open(file);
  const scene = `packet ${'00'.repeat(60)}\nobject task task_struct\n`;
  assert.throws(() => object.play('talker', scene), /no types for `task_struct`/);
  assert.throws(() => object.play('talker', 'types 00'), /BTF|type/i);
  assert.throws(() => object.play('talker', 'member a 1'), /`member a 1` is not a line/);
});

test('what is wrong is an error that says so', () => {
  assert.throws(() => machine.open(packet(64)), /ELF/);
  assert.throws(() => machine.open(new Uint8Array()), /ELF/);
  const object = machine.open(file);
  assert.throws(() => object.run('none', packet(60)), /none/);
  assert.throws(() => object.set('NONE', packet(1)), /NONE/);
});
