//! Slices of variable length, gone through, cut and compared.

use crate::prelude::*;

programs! {
    text fn hash_by_for(t) {
        let mut hash = 1u64;
        for byte in t {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        hash
    }

    text fn hash_by_index(t) {
        let mut hash = 1u64;
        for i in 0..t.len() {
            hash = hash.wrapping_mul(31).wrapping_add(u64::from(t[i]));
        }
        hash
    }

    text fn first_and_last(t) {
        match (t.first(), t.last()) {
            (Some(first), Some(last)) => u64::from(*first) << 8 | u64::from(*last),
            _ => 99_999,
        }
    }

    text fn halves(t) {
        let (left, right) = t.split_at(t.len() / 2);
        let sum = |part: &[u8]| part.iter().map(|b| u64::from(*b)).sum::<u64>();
        sum(left) * 100_000 + sum(right)
    }

    text fn without_ends(t) {
        match t.len() {
            0 | 1 => 0,
            n => t[1..n - 1].iter().map(|b| u64::from(*b)).sum(),
        }
    }

    text fn in_chunks(t) {
        t.chunks(4).fold(0u64, |all, chunk| {
            all.wrapping_mul(7) ^ chunk.iter().map(|b| u64::from(*b)).sum::<u64>()
        })
    }

    text fn in_exact_chunks(t) {
        let mut sum = 0u64;
        for chunk in t.chunks_exact(2) {
            sum += u64::from(u16::from_be_bytes([chunk[0], chunk[1]]));
        }
        sum
    }

    text fn in_windows(t) {
        t.windows(2).filter(|pair| pair[0] < pair[1]).count() as u64
    }

    text fn reversed(t) {
        let mut hash = 3u64;
        for byte in t.iter().rev() {
            hash = hash.wrapping_mul(33) ^ u64::from(*byte);
        }
        hash
    }

    text fn every_third(t) {
        t.iter().step_by(3).map(|b| u64::from(*b)).sum()
    }

    text fn copied_into_an_array(t) {
        let mut copy = [0u8; 64];
        copy[..t.len()].copy_from_slice(t);
        copy.iter().enumerate().map(|(i, b)| i as u64 * u64::from(*b)).sum()
    }

    text fn greatest_and_its_place(t) {
        let mut best = (0u8, 0usize);
        for (i, byte) in t.iter().enumerate() {
            if *byte > best.0 {
                best = (*byte, i);
            }
        }
        u64::from(best.0) << 8 | best.1 as u64
    }

    text fn starts_and_ends(t) {
        u64::from(t.starts_with(b"GET ")) | u64::from(t.ends_with(b".so")) << 1
    }

    text fn skips_and_takes(t) {
        t.iter().skip(2).take(10).map(|b| u64::from(*b)).sum()
    }

    text fn a_part_by_what_it_says(t) {
        let Some((length, rest)) = t.split_first() else { return 1 };
        let length = usize::from(*length & 31);
        match rest.get(..length) {
            Some(part) => 2 + part.iter().map(|b| u64::from(*b)).sum::<u64>(),
            None => 3,
        }
    }

    text fn behind_a_mark(t) {
        match t.iter().position(|b| *b == b'=') {
            Some(at) => t[at + 1..].iter().fold(0, |n: u64, b| n.wrapping_mul(10) + u64::from(*b)),
            None => 7,
        }
    }
}
