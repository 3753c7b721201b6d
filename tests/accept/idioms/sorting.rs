//! Small arrays sorted and searched.

use crate::prelude::*;

programs! {
    words fn insertion_sort(x) {
        let mut y = *x;
        for i in 1..y.len() {
            let mut j = i;
            while j > 0 && y[j - 1] > y[j] {
                y.swap(j - 1, j);
                j -= 1;
            }
        }
        y.iter().fold(0, |h: u64, n| h.wrapping_mul(5).wrapping_add(*n))
    }

    words fn selection_sort(x) {
        let mut y = x.map(|n| n as u16);
        for i in 0..5 {
            let mut least = i;
            for j in i + 1..5 {
                if y[j] < y[least] {
                    least = j;
                }
            }
            y.swap(i, least);
        }
        y.iter().fold(0, |h: u64, n| h.wrapping_mul(7).wrapping_add(u64::from(*n)))
    }

    words fn a_median_of_three(x) {
        let (a, b, c) = (x[0], x[1], x[2]);
        a.max(b).min(a.min(b).max(c))
    }

    words fn a_network_of_four(x) {
        let mut y = [x[0], x[1], x[2], x[3]];
        for (i, j) in [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)] {
            if y[i] > y[j] {
                y.swap(i, j);
            }
        }
        y[1] ^ y[2].rotate_left(11)
    }

    words fn sorted_by_the_library(x) {
        let mut y = [x[0], x[1], x[2], x[3], x[4], x[5]];
        y.sort_unstable();
        y[0] ^ y[5].rotate_left(3)
    }

    words fn a_binary_search(x) {
        let table = [3u64, 9, 27, 81, 243, 729, 2187, 6561, 19683];
        match table.binary_search(&(x[0] & 0x7fff)) {
            Ok(at) => at as u64,
            Err(at) => 100 + at as u64,
        }
    }

    words fn a_binary_search_by_hand(x) {
        let table = [1u32, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144, 169, 196, 225, 256];
        let wanted = x[0] as u32 & 0x1ff;
        let (mut low, mut high) = (0usize, table.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if table[middle] < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low as u64
    }

    words fn a_partition_point(x) {
        let limits = [10u64, 100, 1_000, 10_000, 100_000];
        limits.partition_point(|limit| *limit <= x[0]) as u64
    }

    words fn is_it_sorted(x) {
        u64::from(x.is_sorted()) | u64::from(x[..3].is_sorted_by(|a, b| a > b)) << 1
    }

    words fn duplicates(x) {
        let mut unique = [0u64; 8];
        let mut count = 0;
        for n in x {
            if !unique[..count].contains(n) {
                unique[count] = *n;
                count += 1;
            }
        }
        count as u64
    }

    words fn the_greatest_two(x) {
        let (mut first, mut second) = (0, 0);
        for n in x {
            if *n > first {
                second = first;
                first = *n;
            } else if *n > second {
                second = *n;
            }
        }
        first.wrapping_sub(second)
    }

    words fn a_place_kept_sorted(x) {
        let mut top = [0u64; 4];
        for n in x {
            if let Some(at) = top.iter().position(|m| n > m) {
                top.copy_within(at..3, at + 1);
                top[at] = *n;
            }
        }
        top[0] ^ top[3]
    }

    words fn a_heap_of_bytes(x) {
        let mut heap = x[0].to_le_bytes();
        for start in (0..4).rev() {
            let mut root = start;
            for _ in 0..3 {
                let mut child = root * 2 + 1;
                if child >= 8 {
                    break;
                }
                if child + 1 < 8 && heap[child + 1] > heap[child] {
                    child += 1;
                }
                if heap[root] >= heap[child] {
                    break;
                }
                heap.swap(root, child);
                root = child;
            }
        }
        u64::from(heap[0])
    }
}
