//! `Option` and `Result`, passed on with `?`.

use crate::prelude::*;

enum Fault {
    Short,
    Kind(u8),
    Length { wanted: usize, found: usize },
}

fn code(fault: Fault) -> u64 {
    match fault {
        Fault::Short => 1 << 32,
        Fault::Kind(kind) => 2 << 32 | u64::from(kind),
        Fault::Length { wanted, found } => 3 << 32 | (wanted << 8 | found) as u64,
    }
}

fn byte(t: &[u8], at: usize) -> Result<u8, Fault> {
    t.get(at).copied().ok_or(Fault::Short)
}

fn number(t: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*t.get(at)?, *t.get(at + 1)?]))
}

fn record(t: &[u8]) -> Result<u64, Fault> {
    let kind = byte(t, 0)?;
    if kind & 1 == 0 {
        return Err(Fault::Kind(kind));
    }
    let wanted = usize::from(byte(t, 1)? & 31);
    let body = t.get(2..2 + wanted).ok_or(Fault::Length { wanted, found: t.len() })?;
    Ok(body.iter().map(|b| u64::from(*b)).sum())
}

programs! {
    text fn two_numbers(t) {
        fn sum(t: &[u8]) -> Option<u64> {
            Some(u64::from(number(t, 0)?) + u64::from(number(t, 6)?))
        }
        sum(t).unwrap_or(3)
    }

    text fn faults_as_data(t) {
        match record(t) {
            Ok(sum) => sum,
            Err(fault) => code(fault),
        }
    }

    text fn mapped_and_filtered(t) {
        t.first().filter(|b| **b > 10).map(|b| u64::from(*b) * 3).unwrap_or_default()
    }

    text fn one_or_the_other(t) {
        let first = t.get(40).or_else(|| t.get(20)).or(t.first());
        first.map_or(256, |b| u64::from(*b))
    }

    words fn checked_chain(x) {
        x[0].checked_add(x[1])
            .and_then(|n| n.checked_mul(3))
            .and_then(|n| n.checked_sub(x[2]))
            .unwrap_or(u64::MAX)
    }

    words fn collected_errors(x) {
        fn half(n: u64) -> Result<u64, u64> {
            if n % 2 == 0 { Ok(n / 2) } else { Err(n) }
        }
        match half(x[0]).and_then(half).and_then(half) {
            Ok(n) => n,
            Err(n) => n ^ 0xff00,
        }
    }

    words fn option_of_a_pair(x) {
        let pair = (x[0] > x[1]).then_some((x[0], x[1]));
        if let Some((a, b)) = pair { a - b } else { 5 }
    }

    words fn zipped_options(x) {
        let some = |n: u64| (n & 1 == 1).then_some(n >> 1);
        some(x[0]).zip(some(x[1])).map_or(9, |(a, b)| a ^ b)
    }

    words fn xor_of_options(x) {
        let some = |n: u64| (n & 2 == 2).then_some(n);
        some(x[2]).xor(some(x[3])).unwrap_or(4)
    }

    words fn let_else(x) {
        let Some(n) = x[4].checked_sub(x[5]) else { return 11 };
        let Ok(n) = u16::try_from(n) else { return 12 };
        u64::from(n)
    }

    words fn taken_and_replaced(x) {
        let mut slot = Some(x[0]);
        let old = slot.replace(x[1]);
        let taken = slot.take();
        old.unwrap_or(0).wrapping_sub(taken.unwrap_or(0)) ^ u64::from(slot.is_none())
    }

    words fn sum_of_results(x) {
        let sum: Result<u32, _> = x[..4].iter().map(|n| u16::try_from(*n).map(u32::from)).sum();
        sum.map_or(77_777, u64::from)
    }

    words fn transposed(x) {
        let inner: Option<Result<u8, _>> = (x[0] != 0).then(|| u8::try_from(x[0]));
        match inner.transpose() {
            Ok(Some(n)) => u64::from(n),
            Ok(None) => 300,
            Err(_) => 400,
        }
    }

    packet fn nested_reads(p) {
        fn inner(p: &XdpContext) -> Result<u64, u32> {
            let at = p.read::<u8>(14).ok_or(1u32)?;
            let length = p.read::<u8>(usize::from(at & 63)).ok_or(2u32)?;
            let value = p.read::<u16>(usize::from(length & 31) + 30).ok_or(3u32)?;
            Ok(u64::from(value))
        }
        Some(inner(p).unwrap_or_else(|at| 1 << 40 | u64::from(at)))
    }
}
