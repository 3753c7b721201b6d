//! Saturating, wrapping, overflowing and checked arithmetic.

use crate::prelude::*;

programs! {
    words fn saturating(x) {
        x[0].saturating_add(x[1]).saturating_sub(x[2]).saturating_mul(3)
    }

    words fn saturating_signed(x) {
        let n = (x[0] as i32).saturating_add(x[1] as i32).saturating_sub(x[2] as i32);
        n as u32 as u64
    }

    words fn saturating_narrow(x) {
        u64::from((x[0] as u8).saturating_add(x[1] as u8).saturating_sub(x[2] as u8))
    }

    words fn overflowing(x) {
        let (sum, carry) = x[0].overflowing_add(x[1]);
        let (difference, borrow) = sum.overflowing_sub(x[2]);
        difference ^ u64::from(carry) << 1 ^ u64::from(borrow)
    }

    words fn overflowing_product(x) {
        let (product, over) = x[0].overflowing_mul(x[1]);
        product ^ u64::from(over)
    }

    words fn checked_of_all_kinds(x) {
        let n = x[0].checked_div(x[1]).unwrap_or(1);
        let n = n.checked_rem(x[2]).unwrap_or(2);
        let n = n.checked_shl(x[3] as u32).unwrap_or(3);
        n.checked_pow(2).unwrap_or(4)
    }

    words fn checked_signed(x) {
        let n = (x[0] as i64).checked_neg().unwrap_or(1);
        let n = n.checked_abs().unwrap_or(2);
        n.checked_mul(x[1] as i64).unwrap_or(3) as u64
    }

    words fn divided_signed(x) {
        let (a, b) = (x[0] as i64, x[1] as i64);
        if b == 0 || (a == i64::MIN && b == -1) {
            return 1;
        }
        (a / b) as u64 ^ (a % b) as u64
    }

    words fn euclidean(x) {
        let (a, b) = (x[0] as i32, (x[1] as i32 & 0xff) + 1);
        (a.rem_euclid(b) as u64) << 32 | a.div_euclid(b) as u32 as u64
    }

    words fn absolute_difference(x) {
        x[0].abs_diff(x[1]) ^ u64::from((x[2] as i16).abs_diff(x[3] as i16))
    }

    words fn powers_of_two(x) {
        let n = x[0] & 0xffff_ffff;
        n.next_power_of_two() ^ u64::from(n.is_power_of_two())
    }

    words fn logarithms(x) {
        u64::from(x[0].checked_ilog2().unwrap_or(99)) << 8 | u64::from((x[1] | 1).ilog10())
    }

    words fn rounded_up(x) {
        let unit = (x[1] & 63) + 1;
        (x[0] >> 8).div_ceil(unit) * unit
    }

    words fn averages(x) {
        x[0].midpoint(x[1]) ^ (x[2] as u32).midpoint(x[3] as u32) as u64
    }

    words fn clamped(x) {
        x[0].clamp(10, 1000) + (x[1] as i8).clamp(-5, 5) as u8 as u64
    }

    words fn bits(x) {
        let n = x[0];
        u64::from(n.leading_zeros()) | u64::from(n.trailing_zeros()) << 8
            | u64::from(n.count_ones()) << 16 | u64::from((n as u32).reverse_bits()) << 24
    }

    words fn bytes_swapped(x) {
        x[0].swap_bytes() ^ u64::from((x[1] as u32).swap_bytes()) ^ u64::from((x[2] as u16).to_be())
    }

    words fn a_signed_shift(x) {
        ((x[0] as i64) >> (x[1] & 63)) as u64 ^ ((x[2] as i32) >> (x[3] & 31)) as u32 as u64
    }

    words fn a_fraction_in_fixed_point(x) {
        let ratio = ((x[0] & 0xffff_ffff) << 16) / ((x[1] & 0xffff) + 1);
        ratio.wrapping_mul(x[2] & 0xff) >> 16
    }

    words fn a_moving_average(x) {
        x.iter().fold(0, |average: u64, n| average - average / 8 + (n & 0xffff) / 8)
    }
}
