//! Early returns, `break` with a value, labels.

use crate::prelude::*;

programs! {
    text fn the_first_byte_above(t) {
        for (i, byte) in t.iter().enumerate() {
            if *byte > b'm' {
                return i as u64;
            }
        }
        500
    }

    text fn guards_in_a_row(t) {
        if t.len() < 4 {
            return 1;
        }
        if t[0] == b'#' {
            return 2;
        }
        if t[3] < 10 {
            return 3;
        }
        let last = t[t.len() - 1];
        if last == 0 {
            return 4;
        }
        u64::from(last)
    }

    words fn a_loop_with_a_value(x) {
        let mut i = 0;
        let found = loop {
            if i == x.len() {
                break None;
            }
            if x[i] & 7 == 3 {
                break Some(i);
            }
            i += 1;
        };
        found.map_or(9, |i| i as u64)
    }

    words fn out_of_two_loops(x) {
        'outer: for i in 0..8 {
            for j in 0..i {
                if x[i] == x[j] {
                    continue 'outer;
                }
                if x[i] ^ x[j] == 1 {
                    break 'outer;
                }
            }
            if x[i] > 1 << 60 {
                return i as u64;
            }
        }
        20
    }

    words fn a_labelled_block(x) {
        let n = 'found: {
            for n in x {
                if n % 5 == 2 {
                    break 'found *n;
                }
            }
            0
        };
        n >> 1
    }

    words fn skipping_rounds(x) {
        let mut sum = 0u64;
        for n in x {
            if n & 1 == 0 {
                continue;
            }
            if *n > 1 << 50 {
                break;
            }
            sum += n;
        }
        sum
    }

    packet fn out_of_a_closure(p) {
        let part = |at: usize| -> Option<u64> {
            let kind = p.read::<u8>(at)?;
            if kind == 0 {
                return None;
            }
            Some(u64::from(kind) + u64::from(p.read::<u8>(at + 1)?))
        };
        Some(part(3).unwrap_or(1) * part(17).unwrap_or(2))
    }

    packet fn one_of_several_headers(p) {
        let first = p.read::<u8>(0)?;
        if first == 0x45 {
            return p.read::<[u8; 4]>(12).map(|a| u64::from(u32::from_be_bytes(a)));
        }
        if first >> 4 == 6 {
            return p.read::<u64>(8);
        }
        let Some(next) = p.read::<u8>(usize::from(first & 15)) else {
            return Some(3);
        };
        Some(u64::from(next))
    }

    text fn while_there_is_more(t) {
        let mut at = 0;
        let mut records = 0u64;
        while at < t.len() {
            let length = usize::from(t[at] & 7) + 1;
            if at + length > t.len() {
                return 100 + records;
            }
            records += 1;
            at += length;
        }
        records
    }

    words fn returns_of_many_kinds(x) {
        fn kind(n: u64) -> Result<Option<u64>, u8> {
            if n == 0 {
                return Ok(None);
            }
            if n % 2 == 0 {
                return Err(n as u8);
            }
            Ok(Some(n))
        }
        match (kind(x[0]), kind(x[1])) {
            (Ok(Some(a)), Ok(Some(b))) => a ^ b,
            (Err(e), _) | (_, Err(e)) => u64::from(e),
            _ => 1 << 20,
        }
    }

    words fn a_never_type(x) {
        let n: u8 = match u8::try_from(x[0]) {
            Ok(n) => n,
            Err(_) => return 300,
        };
        u64::from(n)
    }

    text fn a_question_mark_in_a_loop(t) {
        fn weights(t: &[u8]) -> Option<u64> {
            let mut sum = 0u64;
            for pair in t.chunks_exact(2).take(6) {
                sum = sum.checked_add(u64::from(pair[0].checked_sub(pair[1] / 4)?))?;
            }
            Some(sum)
        }
        weights(t).unwrap_or(12)
    }
}
