// Packets, as the page reads and writes them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { bytesOf, differences, digitsOf, fieldsOf, packetsOf, rowsOf, withField } from './packet.js';

const packets = JSON.parse(readFileSync(new URL('packets.json', import.meta.url)));
const packet = (name) => bytesOf(packets[name]);
const value = (bytes, header, name) => field(bytes, header, name)?.value;
const field = (bytes, header, name) =>
  fieldsOf(bytes).find((of) => of.header === header && of.name === name);

/** The sum that makes a header right is 0 over the header. */
function sum(bytes) {
  let all = 0;
  for (let at = 0; at < bytes.length; at += 2) all += (bytes[at] << 8) | (bytes[at + 1] ?? 0);
  while (all > 0xffff) all = (all & 0xffff) + (all >>> 16);
  return ~all & 0xffff;
}

test('bytes are read and written', () => {
  assert.deepEqual([...bytesOf('00 fF\n10')], [0, 255, 16]);
  assert.throws(() => bytesOf('0g'), /“g” is not/);
  assert.throws(() => bytesOf('000'), /one digit/);
  assert.equal(rowsOf(new Uint8Array(9)), '00 00 00 00 00 00 00 00\n00');
});

test('headers have their names', () => {
  const udp = packet('udp-7000');
  assert.equal(value(udp, 'Ethernet', 'type'), '0x0800');
  assert.equal(value(udp, 'IPv4', 'source'), '192.0.2.7');
  assert.equal(value(udp, 'UDP', 'destination port'), '7000');
  assert.equal(value(packet('udp-options'), 'UDP', 'destination port'), '7000');
  assert.equal(value(packet('tcp-443'), 'TCP', 'destination port'), '443');
  assert.equal(value(packet('ipv6-udp'), 'IPv6', 'source'), '2001:db8:0:0:0:0:0:7');
  assert.equal(value(packet('ipv6-udp'), 'UDP', 'destination port'), '7000');
  assert.equal(value(packet('arp'), 'ARP', 'sender address'), '192.0.2.7');
  assert.equal(value(packet('ping'), 'ICMP', 'type'), '8');
  assert.equal(value(packet('short'), 'IPv4', 'source'), undefined);
  assert.deepEqual(fieldsOf(new Uint8Array(5)), []);
});

test('a tag is looked behind', () => {
  const tagged = bytesOf(packets['udp-7000'].replace(/^(.{24})/, '$181000005'));
  assert.equal(value(tagged, 'VLAN', 'tag'), '5');
  assert.equal(value(tagged, 'UDP', 'destination port'), '7000');
});

test('the checksums of the examples are right', () => {
  for (const name of Object.keys(packets)) {
    const bytes = packet(name);
    if (!field(bytes, 'IPv4', 'destination')) continue;
    assert.equal(sum(bytes.slice(14, 14 + (bytes[14] & 15) * 4)), 0, name);
  }
});

test('a field is changed, and the checksum with it', () => {
  const before = packet('udp-7000');
  const changed = withField(before, field(before, 'IPv4', 'source'), '198.51.100.4');
  assert.equal(value(changed, 'IPv4', 'source'), '198.51.100.4');
  assert.equal(sum(changed.slice(14, 34)), 0);
  const port = field(before, 'UDP', 'destination port');
  assert.equal(value(withField(before, port, '65535'), 'UDP', 'destination port'), '65535');
  assert.throws(() => withField(before, port, '65536'), /from 0 to 65535/);
  assert.throws(() => withField(before, port, ''), /a number/);
  const sender = field(before, 'IPv4', 'source');
  for (const bad of ['1.2.3', '1.2.3.4.5', '1.2.3.256']) {
    assert.throws(() => withField(before, sender, bad));
  }
  const six = packet('ipv6-udp');
  const source = field(six, 'IPv6', 'source');
  const other = withField(six, source, 'fe80::1:2');
  assert.equal(value(other, 'IPv6', 'source'), 'fe80:0:0:0:0:0:1:2');
  for (const bad of ['1::2::3', '1:2', 'x::1', '1:2:3:4:5:6:7:8:9']) {
    assert.throws(() => withField(six, source, bad), bad);
  }
});

test('differences are named', () => {
  const before = packet('udp-7000');
  const after = withField(before, field(before, 'UDP', 'destination port'), '7001');
  after[after.length - 1] = 0;
  assert.deepEqual(differences(before, after), [
    'UDP destination port: 7000 became 7001',
    'byte 47: 0a became 00',
  ]);
  assert.deepEqual(differences(before, before), []);
  assert.deepEqual(differences(before, before.slice(1)), ['48 bytes became 47']);
});

test('a capture has packets', () => {
  const bytes = packet('ping');
  for (const little of [true, false]) {
    const file = new DataView(new ArrayBuffer(24 + 2 * (16 + bytes.length)));
    file.setUint32(0, 0xa1b2c3d4, little);
    file.setUint32(20, 1, little);
    for (const at of [24, 40 + bytes.length]) {
      file.setUint32(at + 8, bytes.length, little);
      new Uint8Array(file.buffer).set(bytes, at + 16);
    }
    const found = packetsOf(new Uint8Array(file.buffer));
    assert.deepEqual(found.map(digitsOf), [packets.ping, packets.ping]);
    // What is cut off is left out.
    assert.equal(packetsOf(new Uint8Array(file.buffer.slice(0, -1))).length, 1);
    assert.throws(() => packetsOf(new Uint8Array(file.buffer.slice(0, 24))), /no packet/);
    file.setUint32(20, 113, little);
    assert.throws(() => packetsOf(new Uint8Array(file.buffer)), /Ethernet/);
  }
  assert.throws(() => packetsOf(bytes), /pcap/);
  assert.throws(() => packetsOf(new Uint8Array()), /pcap/);
});
