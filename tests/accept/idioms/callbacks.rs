//! Loops that the kernel runs (`bpf_loop`, 5.17), and maps gone through.

use core::ops::ControlFlow;

use crate::prelude::*;
use hachi_ebpf::bpf_loop;

#[map]
static STORE: Array<[u8; 64]> = Array::with_max_entries(1, 0);
#[map]
static WEIGHTS: Array<u64> = Array::with_max_entries(4, 0);

programs! {
    words fn a_sum_by_callback(x) {
        let mut sum = 0u64;
        let _ = bpf_loop((x[0] & 63) as u32, |i| {
            sum = sum.wrapping_add(u64::from(i) * 3);
            ControlFlow::Continue(())
        });
        sum
    }

    words fn a_callback_that_breaks(x) {
        let mut last = 0;
        let calls = bpf_loop(100, |i| {
            last = i;
            match u64::from(i) == x[0] & 127 {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        u64::from(last) << 16 | calls.map_or(0, u64::from)
    }

    packet fn packet_bytes_by_callback(p) {
        let mut sum = 0u64;
        let _ = bpf_loop(48, |i| {
            match p.read::<u8>(14 + i as usize) {
                Some(byte) => {
                    sum = sum.wrapping_add(u64::from(byte));
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            }
        });
        Some(sum)
    }

    bytes fn an_array_by_callback(b) {
        let mut sum = 0u64;
        let _ = bpf_loop(64, |i| match b.get(i as usize) {
            Some(byte) => {
                sum = sum.wrapping_mul(3).wrapping_add(u64::from(*byte));
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        });
        sum
    }

    bytes fn an_array_changed_by_callback(b) {
        let _ = bpf_loop(64, |i| {
            if let Some(byte) = b.get_mut(i as usize) {
                *byte ^= i as u8;
            }
            ControlFlow::Continue(())
        });
        b.iter().map(|n| u64::from(*n)).sum()
    }

    words fn a_map_by_callback(x) {
        let _ = STORE.set(0, [0; 64], 0);
        let _ = bpf_loop((x[0] & 127) as u32, |i| {
            let Some(value) = STORE.get_ptr_mut(0) else { return ControlFlow::Break(()) };
            // SAFETY: the packets of a test come one by one.
            match unsafe { (*value).get_mut(i as usize) } {
                Some(byte) => *byte = i as u8,
                None => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        });
        STORE.get(0).map_or(1, |bytes| bytes.iter().map(|b| u64::from(*b)).sum())
    }

    packet fn an_offset_kept_by_callback(p) {
        let mut at = 0usize;
        let mut records = 0u64;
        let _ = bpf_loop(16, |_| {
            let Some(length) = p.read::<u8>(at) else { return ControlFlow::Break(()) };
            records += 1;
            at += usize::from(length & 15) + 1;
            if at > 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        Some(records)
    }

    words fn entries_gone_through(x) {
        for i in 0..4 {
            let _ = WEIGHTS.set(i, x[i as usize] & 0xffff, 0);
        }
        let mut sum = 0u64;
        let _ = WEIGHTS.for_each(|i, weight| {
            sum = sum.wrapping_add(u64::from(i) + weight.get() * 3);
            ControlFlow::Continue(())
        });
        sum
    }

    words fn entries_until_one_is_found(x) {
        for i in 0..4 {
            let _ = WEIGHTS.set(i, x[i as usize + 4] & 3, 0);
        }
        let mut found = 9;
        let _ = WEIGHTS.for_each(|i, weight| {
            if weight.get() == 2 {
                found = i;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        u64::from(found)
    }

    words fn a_state_in_a_structure(x) {
        struct State {
            table: [u64; 8],
            rounds: u64,
            hash: u64,
        }
        let mut state = State { table: *x, rounds: 0, hash: 1 };
        let _ = bpf_loop(20, |i| {
            state.rounds += 1;
            let Some(n) = state.table.get(i as usize & 7) else { return ControlFlow::Break(()) };
            state.hash = state.hash.wrapping_mul(31).wrapping_add(*n);
            ControlFlow::Continue(())
        });
        state.hash ^ state.rounds
    }

    words fn a_callback_in_a_callback(x) {
        let mut count = 0u64;
        let _ = bpf_loop(6, |i| {
            let _ = bpf_loop(5, |j| {
                count = count.wrapping_add(u64::from(i * j) + (x[0] & 1));
                ControlFlow::Continue(())
            });
            ControlFlow::Continue(())
        });
        count
    }
}
