//! Closures, and functions that take or give them.

use crate::prelude::*;

fn twice(f: impl Fn(u64) -> u64, n: u64) -> u64 {
    f(f(n))
}

fn each(x: &[u64; 8], mut f: impl FnMut(usize, u64)) {
    for (i, n) in x.iter().enumerate() {
        f(i, *n);
    }
}

fn adder(by: u64) -> impl Fn(u64) -> u64 {
    move |n| n.wrapping_add(by)
}

fn composed<A, B, C>(f: impl Fn(A) -> B, g: impl Fn(B) -> C) -> impl Fn(A) -> C {
    move |a| g(f(a))
}

fn with_default(f: impl FnOnce() -> u64, given: Option<u64>) -> u64 {
    given.unwrap_or_else(f)
}

programs! {
    words fn applied_twice(x) {
        twice(|n| n.wrapping_mul(3) ^ x[1], x[0])
    }

    words fn a_sum_that_is_captured(x) {
        let mut sum = 0u64;
        each(x, |i, n| sum = sum.wrapping_add(n << i));
        sum
    }

    words fn a_closure_that_is_returned(x) {
        let add = adder(x[0]);
        add(x[1]) ^ add(x[2])
    }

    words fn closures_composed(x) {
        let f = composed(|n: u64| n as u32, |n: u32| u64::from(n) * 3);
        f(x[0]) + f(x[1])
    }

    words fn called_once(x) {
        let text = [x[0], x[1]];
        with_default(move || text[0] ^ text[1], (x[2] > 9).then_some(x[2]))
    }

    words fn a_buffer_that_is_captured(x) {
        let mut seen = [0u8; 8];
        let mut count = 0;
        let mut note = |n: u64| {
            if count < seen.len() {
                seen[count] = n as u8;
                count += 1;
            }
        };
        for n in x {
            if n & 4 == 0 {
                note(*n);
            }
        }
        let sum: u64 = seen.iter().map(|n| u64::from(*n)).sum();
        sum << 8 | count as u64
    }

    words fn an_array_of_functions_by_match(x) {
        let run = |which: u64, n: u64| match which & 3 {
            0 => n.rotate_left(1),
            1 => !n,
            2 => n >> 3,
            _ => n ^ 0xff,
        };
        x[1..4].iter().fold(x[4], |n, which| run(*which, n))
    }

    text fn a_predicate_as_an_argument(t) {
        fn count(t: &[u8], is: impl Fn(u8) -> bool) -> u64 {
            t.iter().filter(|b| is(**b)).count() as u64
        }
        count(t, |b| b.is_ascii_uppercase()) * 100 + count(t, |b| b == b' ')
    }

    text fn a_place_by_predicate(t) {
        let end = t.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(t.len());
        let word = &t[..end];
        word.iter().fold(end as u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(*b)))
    }

    packet fn a_reader_of_fields(p) {
        let mut at = 0usize;
        let mut next = |width: usize| {
            let value = match width {
                1 => p.read::<u8>(at).map(u64::from),
                2 => p.read::<[u8; 2]>(at).map(|b| u64::from(u16::from_be_bytes(b))),
                _ => p.read::<[u8; 4]>(at).map(|b| u64::from(u32::from_be_bytes(b))),
            };
            at += width;
            value
        };
        Some(next(1)? + next(2)? + next(4)? + next(1)?)
    }

    words fn sorted_by_a_closure(x) {
        let mut least = x[0];
        let before = |a: u64, b: u64| a.count_ones() < b.count_ones();
        for n in x {
            if before(*n, least) {
                least = *n;
            }
        }
        least
    }

    words fn chosen_by_a_closure(x) {
        let pick = |odd: bool| x.iter().filter(move |n| (*n % 2 == 1) == odd).count() as u64;
        pick(true) * 10 + pick(false)
    }
}
