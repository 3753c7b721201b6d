//! The packets that all programs of the corpus are given.

/// Their length: what a `text` or `words` program reads, and more.
const LENGTH: usize = 128;

/// Texts that stand behind the byte that says how long they are.
const TEXTS: &[&[u8]] = &[
    b"",
    b"a",
    b"GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b"user=alice;role=admin;id=1042",
    b"/usr/lib/x86_64-linux-gnu/libc.so",
    b"192.168.17.254",
    b"-12345",
    b"deadBEEF00ff",
    b"the quick brown fox jumps over the lazy dog and runs away, fast",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"\xc3\xa9t\xc3\xa9 \xe2\x82\xac 5",
    b"\x05hello\x03you\x00rest",
];

/// Frames: Ethernet, IPv4 with and without options, UDP and TCP, a VLAN, IPv6.
const FRAMES: &[&[u8]] = &[
    b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0\
      \x45\0\0\x40\x12\x34\x40\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\
      \x30\x39\0\x35\0\x2c\0\0\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0",
    b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0\
      \x47\0\0\x50\x12\x34\0\0\x3f\x06\0\0\xc0\xa8\x01\x02\xc0\xa8\x01\x03\
      \x01\x01\x01\x01\x94\x04\0\0\
      \xd4\x31\x01\xbb\0\0\0\x01\0\0\0\x02\x80\x18\x20\0\0\0\0\0\
      \x01\x01\x08\x0a\0\0\0\x07\0\0\0\x09payload",
    b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x02\x81\0\x20\x64\x86\xdd\
      \x60\0\0\0\0\x10\x3a\x40\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\
      \xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\x80\0\0\0\0\x01\0\x02ping",
];

/// The packets. Never changed between two runs.
pub fn inputs() -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut inputs = vec![vec![0; LENGTH], vec![0xff; LENGTH]];
    for (number, text) in TEXTS.iter().enumerate() {
        let mut packet = vec![text.len() as u8];
        packet.extend(*text);
        // Behind the text: nothing, or anything.
        packet.resize_with(LENGTH, || if number % 2 == 0 { 0 } else { random() as u8 });
        inputs.push(packet);
    }
    for frame in FRAMES {
        let mut packet = frame.to_vec();
        packet.resize(LENGTH, 0x20);
        inputs.push(packet);
    }
    // Numbers of all sizes, little and big endian.
    for shift in [0, 8, 32, 48, 56, 60] {
        let numbers: Vec<u64> = (0..LENGTH / 8).map(|_| random() >> shift).collect();
        inputs.push(numbers.iter().flat_map(|n| n.to_le_bytes()).collect());
        inputs.push(numbers.iter().flat_map(|n| n.to_be_bytes()).collect());
    }
    // Packets that end early.
    for length in [16, 64, 65, 77] {
        let mut packet = vec![40];
        packet.resize_with(length, || random() as u8 & 0x7f);
        inputs.push(packet);
    }
    inputs
}
