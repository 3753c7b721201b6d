// Arithmetic: what eBPF has, what it lacks, and what may go wrong.

programs! {
    fn wrapping_mix(x) {
        x[0].wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left((x[1] & 63) as u32) ^ x[2]
    }

    fn checked_add_sub(x) {
        let a = x[0].checked_add(x[1]).unwrap_or(1);
        let b = x[2].checked_sub(x[3]).unwrap_or(2);
        a ^ b
    }

    fn checked_mul_u64(x) {
        x[0].checked_mul(x[1]).map_or(77, |v| v >> 3)
    }

    fn checked_mul_i64(x) {
        (x[0] as i64).checked_mul(x[1] as i64).map_or(78, |v| v as u64)
    }

    fn checked_mul_small(x) {
        let a = (x[0] as u32).checked_mul(x[1] as u32).unwrap_or(5);
        let b = (x[2] as i16).checked_mul(x[3] as i16).unwrap_or(6);
        let c = (x[4] as i32).checked_neg().unwrap_or(7);
        u64::from(a) ^ b as u64 ^ c as u64
    }

    fn saturating(x) {
        x[0].saturating_add(x[1]) ^ x[2].saturating_sub(x[3])
            ^ u64::from((x[4] as u8).saturating_add(x[5] as u8))
            ^ (x[6] as i32).saturating_sub(x[7] as i32) as u64
    }

    fn saturating_mul(x) {
        x[0].saturating_mul(x[1]) ^ (x[2] as i64).saturating_mul(x[3] as i64) as u64
    }

    fn overflowing(x) {
        let (a, o) = x[0].overflowing_mul(x[1]);
        let (b, p) = (x[2] as i64).overflowing_sub(x[3] as i64);
        a ^ b as u64 ^ u64::from(o) ^ (u64::from(p) << 1)
    }

    fn divide(x) {
        x[0].checked_div(x[1]).unwrap_or(3) ^ x[2].checked_rem(x[3]).unwrap_or(4)
    }

    // Panics on a zero divisor.
    fn divide_or_panic(x) {
        x[0] / x[1] + x[2] % (x[3] | 1)
    }

    fn divide_signed(x) {
        let a = (x[0] as i64).checked_div(x[1] as i64).unwrap_or(9);
        let b = (x[2] as i64).checked_rem(x[3] as i64).unwrap_or(8);
        a as u64 ^ b as u64
    }

    fn divide_signed_narrow(x) {
        let a = (x[0] as i32).wrapping_div((x[1] as i32) | 1);
        let b = (x[2] as i16).wrapping_rem((x[3] as i16) | 1);
        let c = (x[4] as i8).wrapping_div((x[5] as i8) | 1);
        a as u64 ^ b as u64 ^ c as u64
    }

    fn divide_signed_constant(x) {
        let a = x[0] as i64;
        (a / 10) as u64 ^ (a % 7) as u64 ^ (a / 8) as u64 ^ (a / -3) as u64
            ^ ((x[1] as i32) / 100) as u64
            ^ (x[2] as i64).rem_euclid(60) as u64
    }

    fn u128_add_sub(x) {
        let a = (u128::from(x[0]) << 64) | u128::from(x[1]);
        let b = (u128::from(x[2]) << 64) | u128::from(x[3]);
        let c = a.wrapping_add(b);
        let d = a.wrapping_sub(b);
        (c >> 64) as u64 ^ c as u64 ^ (d >> 64) as u64 ^ d as u64 ^ u64::from(a < b)
    }

    fn u128_mul(x) {
        let a = (u128::from(x[0]) << 64) | u128::from(x[1]);
        let b = (u128::from(x[2]) << 64) | u128::from(x[3]);
        let c = a.wrapping_mul(b);
        (c >> 64) as u64 ^ (c as u64).rotate_left(7)
    }

    // The usual way to scale without losing bits.
    fn u128_wide_mul(x) {
        ((u128::from(x[0]) * u128::from(x[1])) >> 64) as u64
    }

    fn u128_checked_mul(x) {
        let a = (u128::from(x[0]) << (x[4] & 63)) | u128::from(x[1]);
        let b = u128::from(x[2]) << (x[5] & 63);
        let c = a.checked_mul(b).unwrap_or(12345);
        let d = (a as i128).checked_mul(-(b as i128 >> 2)).unwrap_or(54321);
        (c >> 64) as u64 ^ c as u64 ^ (d >> 64) as u64 ^ d as u64
    }

    fn u128_shift(x) {
        let a = (u128::from(x[0]) << 64) | u128::from(x[1]);
        let n = (x[2] & 127) as u32;
        let c = a << n;
        let d = a >> n;
        let e = (a as i128) >> n;
        (c >> 64) as u64 ^ c as u64 ^ ((d >> 64) as u64).rotate_left(3) ^ d as u64
            ^ ((e >> 64) as u64).rotate_left(9) ^ e as u64
    }

    fn u128_rotate(x) {
        let a = (u128::from(x[0]) << 64) | u128::from(x[1]);
        let c = a.rotate_left((x[2] & 127) as u32);
        let d = a.rotate_right((x[3] & 127) as u32);
        (c >> 64) as u64 ^ c as u64 ^ ((d >> 64) as u64).rotate_left(3) ^ d as u64
    }

    fn u128_divide(x) {
        let a = (u128::from(x[0]) << 64) | u128::from(x[1]);
        let b = (u128::from(x[2] >> (x[4] & 63)) << 64) | u128::from(x[3]) | 1;
        let q = a / b;
        let r = a % b;
        (q >> 64) as u64 ^ q as u64 ^ ((r >> 64) as u64).rotate_left(5) ^ r as u64
    }

    fn i128_divide(x) {
        let a = ((u128::from(x[0]) << 64) | u128::from(x[1])) as i128;
        let b = x[3] as i64 as i128;
        let q = a.checked_div(b).unwrap_or(1);
        let r = a.checked_rem(b).unwrap_or(2);
        (q >> 64) as u64 ^ q as u64 ^ ((r >> 64) as u64).rotate_left(5) ^ r as u64
    }

    fn ipv6_as_u128(x) {
        let address = u128::from_be_bytes(bytes16(x));
        let mask = u128::MAX << (x[7] % 128);
        let net = address & mask;
        (net >> 64) as u64 ^ net as u64
    }

    fn bits(x) {
        u64::from(x[0].count_ones()) ^ (u64::from(x[1].leading_zeros()) << 8)
            ^ (u64::from(x[2].trailing_zeros()) << 16)
            ^ x[3].swap_bytes() ^ x[4].reverse_bits() ^ u64::from((x[5] as u32).swap_bytes())
    }

    fn logarithms(x) {
        u64::from(x[0].checked_ilog2().unwrap_or(99)) ^ u64::from((x[1] | 1).ilog2())
            ^ u64::from(x[2].checked_next_power_of_two().unwrap_or(1).trailing_zeros())
                ^ u64::from(x[3].is_power_of_two())
    }

    fn powers(x) {
        (x[0] & 0xff).wrapping_pow((x[1] & 7) as u32) ^ (x[2] & 15).checked_pow(9).unwrap_or(1)
    }

    fn square_root(x) {
        // Digit by digit; the library's own is a table.
        let (mut rest, mut root, mut bit) = (x[0] & 0xffff_ffff, 0u64, 1u64 << 30);
        while bit != 0 {
            if rest >= root + bit {
                rest -= root + bit;
                root = (root >> 1) + bit;
            } else {
                root >>= 1;
            }
            bit >>= 2;
        }
        root
    }

    fn gcd(x) {
        let (mut a, mut b) = (x[0] & 0xffff, x[1] & 0xffff);
        for _ in 0..24 {
            if b == 0 {
                break;
            }
            (a, b) = (b, a % b);
        }
        a
    }

    fn checksum(x) {
        let mut sum = 0u32;
        for word in x {
            for shift in [0, 16, 32, 48] {
                sum += u32::from((word >> shift) as u16);
            }
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u64::from(!(sum as u16))
    }

    fn absolute(x) {
        (x[0] as i64).unsigned_abs() ^ (x[1] as i32).wrapping_abs() as u64
            ^ x[2].abs_diff(x[3]) ^ (x[4] as i64).signum() as u64
    }

    fn floats_as_bits(x) {
        // Moved and compared as bits, never computed with.
        f64::from_bits(x[0]).to_bits() ^ u64::from(f32::from_bits(x[1] as u32).to_bits())
    }
}

fn bytes16(x: &Input) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&x[0].to_le_bytes());
    out[8..].copy_from_slice(&x[1].to_le_bytes());
    out
}
