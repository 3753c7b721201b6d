// Packets: bytes as text, the fields of their headers by name, and captures.

/** Bytes of hexadecimal digits; what else there is, but for space, is an error. */
export function bytesOf(text) {
  const digits = text.replace(/\s+/g, '');
  const wrong = digits.match(/[^0-9a-f]/i);
  if (wrong) throw new Error(`“${wrong[0]}” is not a hexadecimal digit`);
  if (digits.length % 2) throw new Error('the last byte has one digit only');
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Hexadecimal digits, two for each byte. */
export function digitsOf(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The same in rows of eight bytes. */
export function rowsOf(bytes) {
  const pairs = digitsOf(bytes).match(/../g) ?? [];
  const rows = [];
  while (pairs.length) rows.push(pairs.splice(0, 8).join(' '));
  return rows.join('\n');
}

// How the value of a field is written. `read` throws on what is no such value.
const KINDS = {
  mac: {
    show: (bytes) => digitsOf(bytes).match(/../g).join(':'),
    read: (text) => {
      const parts = text.trim().split(/[:-]/);
      if (!parts.every((part) => /^[0-9a-f]{1,2}$/i.test(part))) throw new Error('six bytes, like 02:00:00:00:00:01');
      return parts.map((part) => parseInt(part, 16));
    },
  },
  ipv4: {
    show: (bytes) => bytes.join('.'),
    read: (text) => {
      const parts = text.trim().split('.');
      if (!parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
        throw new Error('an address, like 192.0.2.7');
      }
      return parts.map(Number);
    },
  },
  ipv6: {
    show: (bytes) => digitsOf(bytes).match(/..../g).map((part) => part.replace(/^0{1,3}/, '')).join(':'),
    read: (text) => {
      const sides = text.trim().split('::').map((side) => (side ? side.split(':') : []));
      const given = sides.reduce((sum, side) => sum + side.length, 0);
      const zeros = sides.length === 2 ? Array(Math.max(8 - given, 0)).fill('0') : [];
      const parts = [...sides[0], ...zeros, ...(sides[1] ?? [])];
      if (sides.length > 2 || parts.length !== 8 || !parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))) {
        throw new Error('an address, like 2001:db8::7');
      }
      return parts.flatMap((part) => [parseInt(part, 16) >> 8, parseInt(part, 16) & 255]);
    },
  },
  number: {
    show: (bytes) => String(bytes.reduce((sum, byte) => sum * 256 + byte, 0)),
    read: (text, size) => {
      const value = Number(text.trim());
      if (text.trim() === '' || !Number.isInteger(value) || value < 0 || value >= 256 ** size) {
        throw new Error(`a number from 0 to ${256 ** size - 1}`);
      }
      return Array.from({ length: size }, (_, at) => Math.floor(value / 256 ** (size - 1 - at)) % 256);
    },
  },
  hex: {
    show: (bytes) => `0x${digitsOf(bytes)}`,
    read: (text, size) => KINDS.number.read(text, size),
  },
};

const ETHERNET = [
  ['destination', 6, 'mac'],
  ['source', 6, 'mac'],
  ['type', 2, 'hex'],
];
const VLAN = [
  ['tag', 2, 'number'],
  ['type', 2, 'hex'],
];
const ARP = [
  ['hardware', 2, 'number'],
  ['protocol', 2, 'hex'],
  ['hardware size', 1, 'number'],
  ['protocol size', 1, 'number'],
  ['operation', 2, 'number'],
  ['sender', 6, 'mac'],
  ['sender address', 4, 'ipv4'],
  ['target', 6, 'mac'],
  ['target address', 4, 'ipv4'],
];
const IPV4 = [
  ['version and header words', 1, 'hex'],
  ['type of service', 1, 'hex'],
  ['total length', 2, 'number'],
  ['identification', 2, 'number'],
  ['flags and fragment', 2, 'hex'],
  ['time to live', 1, 'number'],
  ['protocol', 1, 'number'],
  ['checksum', 2, 'hex'],
  ['source', 4, 'ipv4'],
  ['destination', 4, 'ipv4'],
];
const IPV6 = [
  ['version, class, flow', 4, 'hex'],
  ['payload length', 2, 'number'],
  ['next header', 1, 'number'],
  ['hop limit', 1, 'number'],
  ['source', 16, 'ipv6'],
  ['destination', 16, 'ipv6'],
];
const UDP = [
  ['source port', 2, 'number'],
  ['destination port', 2, 'number'],
  ['length', 2, 'number'],
  ['checksum', 2, 'hex'],
];
const TCP = [
  ['source port', 2, 'number'],
  ['destination port', 2, 'number'],
  ['sequence number', 4, 'number'],
  ['acknowledgement', 4, 'number'],
  ['header words', 1, 'hex'],
  ['flags', 1, 'hex'],
  ['window', 2, 'number'],
  ['checksum', 2, 'hex'],
  ['urgent pointer', 2, 'number'],
];
const ICMP = [
  ['type', 1, 'number'],
  ['code', 1, 'number'],
  ['checksum', 2, 'hex'],
];
const TRANSPORTS = { 1: ['ICMP', ICMP], 6: ['TCP', TCP], 17: ['UDP', UDP], 58: ['ICMPv6', ICMP] };

/**
 * The fields of a packet's headers: `{ header, name, at, size, kind, value }`. What the packet has
 * no bytes for is left out.
 */
export function fieldsOf(bytes) {
  const fields = [];
  const add = (header, rows, from) => {
    let at = from;
    for (const [name, size, kind] of rows) {
      if (at + size > bytes.length) return -1;
      const value = KINDS[kind].show(bytes.slice(at, at + size));
      fields.push({ header, name, at, size, kind, value });
      at += size;
    }
    return at;
  };
  const transport = (protocol, at) => {
    const known = TRANSPORTS[protocol];
    if (known && at <= bytes.length) add(known[0], known[1], at);
  };
  let at = add('Ethernet', ETHERNET, 0);
  if (at < 0) return fields;
  let type = (bytes[12] << 8) | bytes[13];
  while (type === 0x8100 || type === 0x88a8) {
    at = add('VLAN', VLAN, at);
    if (at < 0) return fields;
    type = (bytes[at - 2] << 8) | bytes[at - 1];
  }
  if (type === 0x0806) {
    add('ARP', ARP, at);
  } else if (type === 0x0800) {
    const end = add('IPv4', IPV4, at);
    if (end > 0) transport(bytes[at + 9], at + (bytes[at] & 15) * 4);
  } else if (type === 0x86dd) {
    const end = add('IPv6', IPV6, at);
    if (end > 0) transport(bytes[at + 6], end);
  }
  return fields;
}

/** The packet with another value for a field; the checksum of an IPv4 header follows. */
export function withField(bytes, field, text) {
  const value = KINDS[field.kind].read(text, field.size);
  if (value.length !== field.size) throw new Error(`a value of ${field.size} bytes`);
  const changed = Uint8Array.from(bytes);
  changed.set(value, field.at);
  if (field.header === 'IPv4' && field.name !== 'checksum') {
    const sum = fieldsOf(changed).find((of) => of.header === 'IPv4' && of.name === 'checksum');
    if (sum) correct(changed, sum.at);
  }
  return changed;
}

/** Sets the checksum of the IPv4 header that has it at this place. */
function correct(bytes, at) {
  const start = at - 10;
  const end = Math.min(start + (bytes[start] & 15) * 4, bytes.length);
  bytes.set([0, 0], at);
  let sum = 0;
  for (let here = start; here < end; here += 2) sum += (bytes[here] << 8) | (bytes[here + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.set([(~sum >> 8) & 255, ~sum & 255], at);
}

/** What differs between a packet and what became of it, in words. */
export function differences(before, after) {
  if (before.length !== after.length) return [`${before.length} bytes became ${after.length}`];
  const fields = fieldsOf(before);
  const found = [];
  for (let at = 0; at < before.length; at += 1) {
    if (before[at] === after[at]) continue;
    const field = fields.find((of) => at >= of.at && at < of.at + of.size);
    if (field) {
      const value = KINDS[field.kind].show(after.slice(field.at, field.at + field.size));
      found.push(`${field.header} ${field.name}: ${field.value} became ${value}`);
      at = field.at + field.size - 1;
    } else {
      found.push(`byte ${at}: ${digitsOf([before[at]])} became ${digitsOf([after[at]])}`);
    }
  }
  return found;
}

/** The packets of a capture in pcap format, of Ethernet; at most so many. */
export function packetsOf(file, most = 50) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const magic = file.length >= 24 ? view.getUint32(0, true) : 0;
  const little = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d;
  if (!little && ![0xd4c3b2a1, 0x4d3cb2a1].includes(magic)) {
    throw new Error('it is not a capture in pcap format');
  }
  if ((view.getUint32(20, little) & 0xffff) !== 1) throw new Error('it is not of Ethernet');
  const packets = [];
  let at = 24;
  while (at + 16 <= file.length && packets.length < most) {
    const length = view.getUint32(at + 8, little);
    if (at + 16 + length > file.length) break;
    packets.push(file.slice(at + 16, at + 16 + length));
    at += 16 + length;
  }
  if (!packets.length) throw new Error('it has no packet');
  return packets;
}
