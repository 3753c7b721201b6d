//! Loops: nested, counted down, with bounds that are known at run time only.

use crate::prelude::*;

programs! {
    words fn a_bubble_sort(x) {
        let mut y = [x[0], x[1], x[2], x[3], x[4]];
        for i in 0..y.len() {
            for j in 0..y.len() - 1 - i {
                if y[j] > y[j + 1] {
                    y.swap(j, j + 1);
                }
            }
        }
        y[0] ^ y[2].rotate_left(7) ^ y[4].rotate_left(14)
    }

    words fn counted_by_the_packet(x) {
        let n = x[0] & 31;
        let mut sum = 0u64;
        for i in 0..n {
            sum = sum.wrapping_add(i * i);
        }
        sum
    }

    words fn counted_down(x) {
        let mut n = x[0] % 24;
        let mut product = 1u64;
        while n > 0 {
            product = product.wrapping_mul(n | 1);
            n -= 1;
        }
        product
    }

    words fn a_greatest_common_divisor(x) {
        let (mut a, mut b) = (x[0] & 0xff, x[1] & 0xff);
        for _ in 0..16 {
            if b == 0 {
                break;
            }
            (a, b) = (b, a % b);
        }
        a
    }

    words fn a_collatz_walk(x) {
        let mut n = x[0] & 0xff | 1;
        let mut steps = 0u64;
        while n != 1 && steps < 30 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            steps += 1;
        }
        steps << 16 | n
    }

    bytes fn a_table_of_products(b) {
        let mut table = [[0u16; 6]; 6];
        for i in 0..6 {
            for j in 0..6 {
                table[i][j] = u16::from(b[i]) * u16::from(b[j + 6]);
            }
        }
        table.iter().flatten().map(|n| u64::from(*n)).sum()
    }

    text fn pairs_of_equal_bytes(t) {
        let t = &t[..t.len().min(12)];
        let mut pairs = 0u64;
        for (i, a) in t.iter().enumerate() {
            for b in &t[i + 1..] {
                pairs += u64::from(a == b);
            }
        }
        pairs
    }

    text fn a_search_for_a_text(t) {
        let wanted = b"own";
        let mut at = 0;
        while at + wanted.len() <= t.len() {
            if &t[at..at + wanted.len()] == wanted {
                return at as u64;
            }
            at += 1;
        }
        200
    }

    words fn an_inclusive_range(x) {
        let top = (x[0] & 15) as u32;
        (0..=top).map(|i| u64::from(i * i + 1)).sum()
    }

    words fn from_both_ends(x) {
        let (mut i, mut j) = (0, x.len() - 1);
        let mut mixed = 0u64;
        while i < j {
            mixed = mixed.rotate_left(9) ^ x[i].wrapping_sub(x[j]);
            i += 1;
            j -= 1;
        }
        mixed
    }

    words fn bits_one_by_one(x) {
        let mut n = x[0] & 0xffff;
        let mut places = 0u64;
        for i in 0..16 {
            if n & 1 == 1 {
                places += i;
            }
            n >>= 1;
        }
        places
    }

    words fn a_range_with_steps(x) {
        let mut sum = 0u64;
        for i in (0..8).step_by(3) {
            sum = sum.wrapping_add(x[i]);
        }
        for i in (1..8).rev() {
            sum ^= x[i] >> i;
        }
        sum
    }

    words fn three_loops(x) {
        let mut count = 0u64;
        for a in 0..4u64 {
            for b in 0..4u64 {
                for c in 0..4u64 {
                    count += u64::from((a + 2 * b + 3 * c + x[0] % 5) % 7 == x[1] % 7);
                }
            }
        }
        count
    }
}
