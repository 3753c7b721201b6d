//! Texts: looked through, split, changed in case.

use crate::prelude::*;

programs! {
    text fn trimmed(t) {
        let t = t.trim_ascii();
        t.len() as u64 * 256 + t.first().map_or(0, |b| u64::from(*b))
    }

    text fn split_at_semicolons(t) {
        t.split(|b| *b == b';').map(|part| part.len() as u64 + 1).fold(0, |a, n| a * 3 + n % 3)
    }

    text fn the_second_word(t) {
        match t.split(|b| *b == b' ').nth(1) {
            Some(word) => word.iter().map(|b| u64::from(*b)).sum(),
            None => 1,
        }
    }

    text fn upper_case_hash(t) {
        t.iter().fold(5381u64, |h, b| h.wrapping_mul(33) ^ u64::from(b.to_ascii_uppercase()))
    }

    text fn equal_without_case(t) {
        u64::from(t.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"get")))
    }

    text fn has_a_dot(t) {
        u64::from(t.contains(&b'.'))
    }

    text fn file_name(t) {
        let name = match t.iter().rposition(|b| *b == b'/') {
            Some(at) => &t[at + 1..],
            None => t,
        };
        name.len() as u64 + u64::from(name.ends_with(b".so")) * 100
    }

    text fn all_ascii(t) {
        u64::from(t.is_ascii())
    }

    text fn valid_utf8(t) {
        u64::from(core::str::from_utf8(t).is_ok())
    }

    text fn characters(t) {
        core::str::from_utf8(t).map_or(999, |text| text.chars().count() as u64)
    }

    text fn printable(t) {
        t.iter().filter(|b| b.is_ascii_graphic() || **b == b' ').count() as u64
    }

    text fn until_nul(t) {
        let end = t.iter().position(|b| *b == 0).unwrap_or(t.len());
        t[..end].iter().map(|b| u64::from(*b)).sum()
    }

    text fn stripped_prefix(t) {
        match t.strip_prefix(b"GET ") {
            Some(path) => path.len() as u64,
            None => 1000,
        }
    }

    text fn stripped_suffix(t) {
        t.strip_suffix(b".so").map_or(1, |stem| stem.len() as u64 + 2)
    }

    text fn key_and_value(t) {
        let mut parts = t.splitn(2, |b| *b == b'=');
        match (parts.next(), parts.next()) {
            (Some(key), Some(value)) => (key.len() * 64 + value.len()) as u64,
            _ => 7,
        }
    }

    bytes fn reversed_in_place(b) {
        b[..16].reverse();
        b.iter().take(20).fold(0, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(*b)))
    }

    bytes fn lower_case_in_place(b) {
        b.make_ascii_lowercase();
        b.iter().map(|b| u64::from(*b)).sum()
    }

    bytes fn blanks_replaced(b) {
        for byte in &mut b {
            if *byte == b' ' {
                *byte = b'_';
            }
        }
        b.iter().filter(|b| **b == b'_').count() as u64
    }

    text fn vowels(t) {
        let mut count = 0u64;
        for byte in t {
            match byte.to_ascii_lowercase() {
                b'a' | b'e' | b'i' | b'o' | b'u' => count += 1,
                _ => {}
            }
        }
        count
    }

    text fn order_of_texts(t) {
        let name: &[u8] = b"hachi";
        match t.cmp(name) {
            core::cmp::Ordering::Less => 1,
            core::cmp::Ordering::Equal => 2,
            core::cmp::Ordering::Greater => 3,
        }
    }
}
