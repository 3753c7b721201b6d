//! Iterators and their adapters.

use crate::prelude::*;

programs! {
    words fn sum_of_a_map(x) {
        x.iter().map(|n| n & 0xffff).sum()
    }

    words fn filtered_and_counted(x) {
        x.iter().filter(|n| **n % 3 == 1).count() as u64
    }

    words fn zipped(x) {
        let weights = [3u64, 1, 4, 1, 5, 9, 2, 6];
        x.iter().zip(weights).map(|(n, w)| (n & 0xff) * w).sum()
    }

    words fn folded_with_state(x) {
        x.iter().fold((0u64, 1u64), |(a, b), n| (b, a.wrapping_add(n ^ b))).1
    }

    words fn least_and_greatest(x) {
        let least = x.iter().min().copied().unwrap_or(0);
        let greatest = x.iter().max().copied().unwrap_or(0);
        greatest - least
    }

    words fn greatest_by_key(x) {
        x.iter().max_by_key(|n| **n & 0xff).map_or(0, |n| *n)
    }

    words fn any_and_all(x) {
        u64::from(x.iter().any(|n| *n == 7)) | u64::from(x.iter().all(|n| *n < 1 << 40)) << 1
    }

    words fn found(x) {
        x.iter().find(|n| **n > 5 && **n % 2 == 0).copied().unwrap_or(u64::MAX)
    }

    words fn chained(x) {
        x[..4].iter().chain(&x[6..]).fold(0, |all: u64, n| all.rotate_left(5) ^ n)
    }

    words fn scanned_prefixes(x) {
        x.iter()
            .scan(0u64, |sum, n| {
                *sum = sum.wrapping_add(*n);
                Some(*sum)
            })
            .fold(0, |all, n| all ^ n)
    }

    words fn while_it_grows(x) {
        x.windows(2).take_while(|pair| pair[0] <= pair[1]).count() as u64
    }

    words fn skipped_zeros(x) {
        x.iter().skip_while(|n| **n == 0).map(|n| n & 15).sum()
    }

    words fn flattened(x) {
        [&x[..2], &x[3..5], &x[7..]].into_iter().flatten().fold(0, |a: u64, n| a.wrapping_add(*n))
    }

    words fn of_a_successor(x) {
        std_successors(x[0] & 0xffff)
    }

    text fn letters_and_digits(t) {
        let letters = t.iter().filter(|b| b.is_ascii_alphabetic()).count();
        let digits = t.iter().filter(|b| b.is_ascii_digit()).count();
        (letters * 100 + digits) as u64
    }

    text fn enumerated_positions(t) {
        t.iter()
            .enumerate()
            .filter_map(|(i, b)| b.is_ascii_punctuation().then_some(i as u64))
            .sum()
    }

    text fn peeked_runs(t) {
        let mut runs = 0u64;
        let mut bytes = t.iter().peekable();
        while let Some(byte) = bytes.next() {
            if bytes.peek() != Some(&byte) {
                runs += 1;
            }
        }
        runs
    }

    text fn last_match(t) {
        t.iter().rposition(|b| *b == b'/').map_or(77, |at| at as u64)
    }

    text fn equal_sequences(t) {
        let wanted = b"user=";
        u64::from(t.iter().take(5).eq(wanted.iter()))
    }

    text fn compared_sequences(t) {
        t.iter().cmp(b"M".iter()) as i8 as u8 as u64
    }
}

fn std_successors(start: u64) -> u64 {
    core::iter::successors(Some(start), |n| (*n > 1).then(|| n / 2)).take(20).sum()
}
