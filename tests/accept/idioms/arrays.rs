//! Arrays, arrays of arrays, and indices made at run time.

use crate::prelude::*;

programs! {
    words fn a_matrix_times_a_vector(x) {
        let matrix = [[1u64, 2, 3], [4, 5, 6], [7, 8, 9]];
        let mut result = [0u64; 3];
        for (row, out) in matrix.iter().zip(&mut result) {
            for (a, b) in row.iter().zip(x) {
                *out = out.wrapping_add(a.wrapping_mul(*b));
            }
        }
        result[0] ^ result[1] ^ result[2]
    }

    words fn a_transposed_matrix(x) {
        let mut m = [[0u8; 4]; 4];
        for i in 0..4 {
            for j in 0..4 {
                m[j][i] = (x[i] >> (8 * j)) as u8;
            }
        }
        u64::from(m[1][2]) << 16 | u64::from(m[3][0]) << 8 | u64::from(m[(x[4] % 4) as usize][1])
    }

    words fn a_histogram(x) {
        let mut bins = [0u64; 16];
        for n in x {
            bins[(n & 15) as usize] += 1;
        }
        bins.iter().enumerate().map(|(i, n)| i as u64 * n * n).sum()
    }

    bytes fn a_histogram_of_bytes(b) {
        let mut bins = [0u8; 32];
        for byte in b {
            bins[usize::from(byte >> 3)] += 1;
        }
        bins.iter().fold(0, |h: u64, n| h.wrapping_mul(67) + u64::from(*n))
    }

    words fn an_index_that_is_checked(x) {
        let table = [11u64, 22, 33, 44, 55];
        let i = x[0] as usize;
        if i < table.len() { table[i] } else { 1 }
    }

    words fn an_index_by_get(x) {
        let table = [7u32, 6, 5, 4, 3, 2, 1];
        table.get(x[1] as usize).map_or(99, |n| u64::from(*n))
    }

    words fn an_index_by_remainder(x) {
        let table = [2u64, 3, 5, 7, 11, 13, 17];
        table[(x[0] % 7) as usize] * table[(x[1] % 7) as usize]
    }

    words fn rows_by_two_indices(x) {
        let table = [[1u16, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]];
        let (i, j) = (x[0] as usize, x[1] as usize);
        if i >= 3 || j >= 4 {
            return 0;
        }
        u64::from(table[i][j])
    }

    words fn filled_as_far_as_asked(x) {
        let mut buffer = [1u8; 40];
        let n = (x[0] as usize).min(buffer.len());
        buffer[..n].fill(9);
        buffer.iter().map(|b| u64::from(*b)).sum()
    }

    words fn counted_fill(x) {
        let mut buffer = [0u8; 32];
        let n = (x[0] & 31) as usize;
        for i in 0..n {
            buffer[i] = i as u8 * 3;
        }
        buffer.iter().map(|b| u64::from(*b)).sum()
    }

    words fn counted_fill_by_while(x) {
        let mut stack = [0u64; 8];
        let mut used = 0;
        for n in x {
            if n % 2 == 1 && used < stack.len() {
                stack[used] = *n;
                used += 1;
            }
        }
        stack[..used].iter().fold(used as u64, |h, n| h.rotate_left(3) ^ n)
    }

    words fn rotated(x) {
        let mut y = *x;
        y.rotate_left(3);
        y[0].wrapping_sub(y[7])
    }

    words fn swapped_by_index(x) {
        let mut y = *x;
        y.swap((x[0] & 7) as usize, (x[1] & 7) as usize);
        y.iter().fold(0, |h: u64, n| h.wrapping_mul(3).wrapping_add(*n))
    }

    words fn copied_within(x) {
        let mut y = *x;
        y.copy_within(2..6, 1);
        y[1] ^ y[4].rotate_left(8) ^ y[5]
    }

    bytes fn arrays_from_parts(b) {
        let mut sum = 0u64;
        for i in 0..8 {
            let word: [u8; 8] = b[i * 8..i * 8 + 8].try_into().unwrap();
            sum ^= u64::from_le_bytes(word).rotate_left(i as u32);
        }
        sum
    }

    words fn an_array_mapped(x) {
        x.map(|n| n.count_ones()).iter().map(|n| u64::from(*n)).sum()
    }

    words fn made_by_from_fn(x) {
        let y: [u64; 6] = core::array::from_fn(|i| x[i].wrapping_mul(i as u64 + 1));
        y.iter().fold(0, |a, n| a ^ n)
    }

    words fn equal_arrays(x) {
        let y = [x[7], x[6], x[5], x[4], x[3], x[2], x[1], x[0]];
        u64::from(*x == y) + u64::from(x[..2] == y[..2]) * 2
    }
}
