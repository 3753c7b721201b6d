//! Numbers of 128 bits.

use crate::prelude::*;

fn wide(x: &[u64; 8], at: usize) -> u128 {
    u128::from(x[at]) << 64 | u128::from(x[at + 1])
}

fn both(n: u128) -> u64 {
    (n >> 64) as u64 ^ (n as u64).rotate_left(1)
}

programs! {
    words fn added(x) { both(wide(x, 0).wrapping_add(wide(x, 2))) }

    words fn subtracted(x) { both(wide(x, 0).wrapping_sub(wide(x, 2))) }

    words fn multiplied(x) { both(u128::from(x[0]) * u128::from(x[1])) }

    words fn multiplied_wide(x) { both(wide(x, 0).wrapping_mul(wide(x, 2))) }

    words fn shifted_left(x) { both(wide(x, 0) << (x[4] & 127)) }

    words fn shifted_right(x) { both(wide(x, 0) >> (x[4] & 127)) }

    words fn shifted_as_signed(x) { both((wide(x, 0) as i128 >> (x[4] & 127)) as u128) }

    words fn compared(x) {
        let (a, b) = (wide(x, 0), wide(x, 2));
        u64::from(a < b) | u64::from(a == b) << 1 | u64::from((a as i128) < (b as i128)) << 2
    }

    words fn checked(x) {
        wide(x, 0).checked_add(wide(x, 2)).map_or(1, both)
    }

    words fn counted_bits(x) {
        u64::from(wide(x, 0).count_ones() + wide(x, 2).leading_zeros())
    }

    words fn an_address_in_a_prefix(x) {
        let length = (x[4] % 129) as u32;
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        u64::from(wide(x, 0) & mask == wide(x, 2) & mask)
    }

    words fn bytes_of_an_address(x) {
        let bytes = wide(x, 0).to_be_bytes();
        u64::from(bytes[(x[2] & 15) as usize]) << 8 | u64::from(bytes[0])
    }

    words fn a_share_of_a_product(x) {
        ((u128::from(x[0]) * u128::from(x[1] | 1)) >> 64) as u64
    }

    words fn a_sum_that_carries(x) {
        both(x.iter().map(|n| u128::from(*n)).sum())
    }

    text fn a_sum_of_bytes_at_places(t) {
        let mut n = 0u128;
        for byte in t.iter().take(16) {
            n = n << 8 | u128::from(*byte);
        }
        both(n)
    }
}
