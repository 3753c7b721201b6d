//! Generic functions, traits, associated types and constants.

use core::ops::{Add, BitXor, Index};

use crate::prelude::*;

trait Field {
    const WIDTH: usize;
    type Value: Into<u64>;
    fn get(t: &[u8]) -> Option<Self::Value>;
}

struct Byte;
struct Short;
struct Word;

impl Field for Byte {
    const WIDTH: usize = 1;
    type Value = u8;
    fn get(t: &[u8]) -> Option<u8> {
        t.first().copied()
    }
}

impl Field for Short {
    const WIDTH: usize = 2;
    type Value = u16;
    fn get(t: &[u8]) -> Option<u16> {
        t.first_chunk().map(|b| u16::from_be_bytes(*b))
    }
}

impl Field for Word {
    const WIDTH: usize = 4;
    type Value = u32;
    fn get(t: &[u8]) -> Option<u32> {
        t.first_chunk().map(|b| u32::from_be_bytes(*b))
    }
}

fn two<A: Field, B: Field>(t: &[u8]) -> Option<u64> {
    let first: u64 = A::get(t)?.into();
    let second: u64 = B::get(t.get(A::WIDTH..)?)?.into();
    Some(first << 32 | second)
}

fn sum_of<T: Copy + Default + Add<Output = T>, const N: usize>(x: [T; N]) -> T {
    x.into_iter().fold(T::default(), |a, b| a + b)
}

fn greatest<T: PartialOrd + Copy>(x: &[T]) -> Option<T> {
    let (first, rest) = x.split_first()?;
    Some(rest.iter().fold(*first, |a, b| if *b > a { *b } else { a }))
}

struct Ring<T, const N: usize> {
    items: [T; N],
    next: usize,
}

impl<T: Copy, const N: usize> Ring<T, N> {
    fn new(empty: T) -> Self {
        Ring { items: [empty; N], next: 0 }
    }

    fn push(&mut self, item: T) {
        self.items[self.next % N] = item;
        self.next += 1;
    }
}

impl<T, const N: usize> Index<usize> for Ring<T, N> {
    type Output = T;
    fn index(&self, i: usize) -> &T {
        &self.items[i % N]
    }
}

trait Mixes: Sized {
    fn mix(self, other: Self) -> Self;
    fn mix_all(self, others: &[Self]) -> Self
    where
        Self: Copy,
    {
        others.iter().fold(self, |a, b| a.mix(*b))
    }
}

impl<T: BitXor<Output = T> + Add<Output = T> + Copy> Mixes for (T, T) {
    fn mix(self, other: Self) -> Self {
        (self.0 ^ other.1, self.1 ^ other.0)
    }
}

struct Countdown(u64);

impl Iterator for Countdown {
    type Item = u64;
    fn next(&mut self) -> Option<u64> {
        self.0 = self.0.checked_sub(1)?;
        Some(self.0)
    }
}

programs! {
    text fn a_byte_and_a_word(t) { two::<Byte, Word>(t).unwrap_or(1) }

    text fn a_word_and_a_short(t) { two::<Word, Short>(t).unwrap_or(2) }

    words fn sums_of_arrays(x) {
        let narrow = x.map(|n| n as u16 as u32);
        u64::from(sum_of(narrow)) + sum_of([x[0] & 0xff, x[1] & 0xff])
    }

    words fn the_greatest_of_two_kinds(x) {
        let signed = [x[0] as i32, x[1] as i32, x[2] as i32];
        greatest(x).unwrap_or(0) ^ greatest(&signed).map_or(0, |n| n as u32 as u64)
    }

    words fn a_ring_of_values(x) {
        let mut ring = Ring::<u64, 5>::new(0);
        for n in x {
            ring.push(*n);
        }
        ring[0] ^ ring[3].rotate_left(1) ^ ring[(x[0] & 0xff) as usize].rotate_left(2)
    }

    words fn pairs_mixed(x) {
        let (a, b) = (x[0], x[1]).mix_all(&[(x[2], x[3]), (x[4], x[5]), (x[6], x[7])]);
        a.wrapping_mul(b | 1)
    }

    words fn an_iterator_of_our_own(x) {
        Countdown(x[0] & 15).map(|n| n * 3).filter(|n| n % 2 == 0).sum()
    }

    words fn an_iterator_of_our_own_zipped(x) {
        Countdown(x[1] % 9).zip(x).fold(0, |h: u64, (i, n)| h.rotate_left(i as u32) ^ n)
    }

    words fn conversions(x) {
        fn narrow<T: TryFrom<u64>>(n: u64, otherwise: T) -> T {
            T::try_from(n).unwrap_or(otherwise)
        }
        u64::from(narrow(x[0], 7u8)) | u64::from(narrow(x[1], 9u16)) << 8
            | u64::from(narrow(x[2], 11u32)) << 24
    }

    words fn ordered_pairs(x) {
        let mut pairs = [(x[0] as u8, x[1]), (x[2] as u8, x[3]), (x[4] as u8, x[5])];
        if pairs[0] > pairs[1] {
            pairs.swap(0, 1);
        }
        if pairs[1] > pairs[2] {
            pairs.swap(1, 2);
        }
        pairs[2].1
    }

    text fn bytes_as_an_iterator(t) {
        fn checksum<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u64 {
            bytes.into_iter().fold(0xffff, |c: u64, b| (c << 1 ^ u64::from(*b)) & 0xffff_ffff)
        }
        checksum(t) ^ checksum(t.iter().take(5))
    }

    words fn bits_of_any_width(x) {
        fn set<T: Copy + Into<u64>>(values: &[T]) -> u64 {
            values.iter().map(|n| { let n: u64 = (*n).into(); u64::from(n.count_ones()) }).sum()
        }
        set(x) + set(&[x[0] as u8, x[1] as u8]) * 1000
    }
}
