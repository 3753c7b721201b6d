//! `match` on slices, numbers, ranges and more.

use crate::prelude::*;

programs! {
    text fn by_length(t) {
        match t {
            [] => 0,
            [a] => u64::from(*a),
            [a, b] => u64::from(*a) * 256 + u64::from(*b),
            [a, .., z] => 1 << 20 | u64::from(*a) << 8 | u64::from(*z),
        }
    }

    text fn by_magic(t) {
        match t {
            [b'G', b'E', b'T', b' ', rest @ ..] => rest.len() as u64,
            [b'u', b's', b'e', b'r', ..] => 1000,
            [0x7f, b'E', b'L', b'F', class, ..] => 2000 + u64::from(*class),
            _ => 3000,
        }
    }

    text fn by_suffix(t) {
        match t {
            [.., b'.', b's', b'o'] => 1,
            [.., b'.', last] => 2 + u64::from(*last),
            [.., b'0'..=b'9'] => 3,
            _ => 4,
        }
    }

    text fn bound_and_guarded(t) {
        match t {
            [first, middle @ .., last] if first == last => middle.len() as u64,
            [first, second, ..] if first < second => 100,
            [_, _, third, ..] => 200 + u64::from(*third),
            _ => 300,
        }
    }

    text fn fields_of_a_record(t) {
        let [kind, length, rest @ ..] = t else { return 9 };
        match (kind & 3, rest) {
            (0, [a, b, c, d, ..]) => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
            (1, [a, ..]) => u64::from(*a) + u64::from(*length),
            (2, rest) if rest.len() > usize::from(*length) => u64::from(rest[usize::from(*length)]),
            _ => 1,
        }
    }

    text fn eaten_from_the_front(t) {
        let mut rest = t;
        let mut hash = 0u64;
        while let [a, b, tail @ ..] = rest {
            hash = hash.wrapping_mul(17) ^ u64::from(*a) ^ u64::from(*b) << 8;
            rest = tail;
        }
        hash + rest.len() as u64
    }

    text fn eaten_from_both_ends(t) {
        let mut rest = t;
        let mut pairs = 0u64;
        while let [a, middle @ .., z] = rest {
            pairs += u64::from(a == z);
            rest = middle;
        }
        pairs
    }

    words fn by_range(x) {
        match x[0] {
            0 => 1,
            1..=9 => 2,
            10..=99 => 3,
            100..1_000_000 => 4,
            _ => 5,
        }
    }

    words fn dense_numbers(x) {
        match x[0] & 7 {
            0 => x[1],
            1 => x[2] + 1,
            2 => x[3] ^ 2,
            3 => x[4] >> 3,
            4 => x[5] << 4,
            5 => !x[6],
            6 => x[7] / 7,
            _ => 8,
        }
    }

    words fn a_table_of_constants(x) {
        u64::from(match x[0] % 11 {
            0 => 80u16,
            1 => 443,
            2 => 22,
            3 => 53,
            4 => 25,
            5 => 110,
            6 => 143,
            7 => 993,
            8 => 3306,
            9 => 5432,
            _ => 6379,
        })
    }

    words fn pairs(x) {
        match (x[0] & 1, x[1] & 3, x[2] > x[3]) {
            (0, _, true) => 1,
            (1, 0 | 2, _) => 2,
            (1, n @ 1, false) => 3 + n,
            (_, n, _) => 10 * n,
        }
    }

    words fn nested_options(x) {
        let outer = (x[0] > 3).then_some((x[1] > 3).then_some(x[2]));
        match outer {
            Some(Some(n @ 0..=100)) => n,
            Some(Some(n)) => n >> 1,
            Some(None) => 1,
            None => 2,
        }
    }

    words fn bytes_of_a_number(x) {
        match x[0].to_be_bytes() {
            [0, 0, 0, 0, 0, 0, 0, low] => u64::from(low),
            [high, .., low] if high == low => 1000,
            [_, second, ..] => 2000 + u64::from(second),
        }
    }
}
