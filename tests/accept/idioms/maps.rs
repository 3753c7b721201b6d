//! Values of maps: arrays in them, indices into them, keys made of packets.

use crate::prelude::*;

use hachi_ebpf::Pod;

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Table {
    bins: [u64; 16],
    text: [u8; 64],
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Flow {
    source: [u8; 4],
    destination: [u8; 4],
    ports: [u16; 2],
}

#[map]
static NUMBERS: Array<u64> = Array::with_max_entries(8, 0);
#[map]
static BYTES: Array<[u8; 64]> = Array::with_max_entries(2, 0);
#[map]
static SCRATCH: PerCpuArray<Table> = PerCpuArray::with_max_entries(1, 0);
#[map]
static FLOWS: HashMap<Flow, u64> = HashMap::with_max_entries(64, 0);
#[map]
static COUNTS: HashMap<u32, u32> = HashMap::with_max_entries(64, 0);
#[map]
static NAMES: HashMap<[u8; 16], u64> = HashMap::with_max_entries(64, 0);
#[map]
static SEEN: LruHashMap<u64, u64> = LruHashMap::with_max_entries(256, 0);
#[map]
static LIMITS: PerCpuHashMap<u32, u64> = PerCpuHashMap::with_max_entries(64, 0);

programs! {
    words fn a_number_by_index(x) {
        let at = (x[0] & 7) as u32;
        let _ = NUMBERS.set(at, x[1], 0);
        NUMBERS.get(at).unwrap_or(1)
    }

    words fn an_index_out_of_bounds(x) {
        NUMBERS.get(x[0] as u32 | 8).map_or(5, |_| 6)
    }

    bytes fn a_byte_of_a_value(b) {
        let _ = BYTES.set(0, b, 0);
        let Some(value) = BYTES.get(0) else { return 1 };
        u64::from(value[usize::from(b[0] & 63)]) << 8 | u64::from(value[usize::from(b[1]) % 64])
    }

    text fn a_value_of_variable_length(t) {
        let mut value = [0u8; 64];
        value[..t.len()].copy_from_slice(t);
        let _ = BYTES.set(1, value, 0);
        let Some(value) = BYTES.get(1) else { return 1 };
        value[..t.len()].iter().map(|b| u64::from(*b)).sum()
    }

    words fn scratch_space(x) {
        let Some(table) = SCRATCH.get_ptr_mut(0) else { return 1 };
        // SAFETY: the value is this CPU's, and nobody else has a reference to it.
        let table = unsafe { &mut *table };
        table.bins = [0; 16];
        for n in x {
            table.bins[(n & 15) as usize] += 1;
        }
        table.bins.iter().enumerate().map(|(i, n)| (i as u64 + 1) * n * n).sum()
    }

    text fn a_text_in_scratch_space(t) {
        let Some(table) = SCRATCH.get_ptr_mut(0) else { return 1 };
        // SAFETY: the value is this CPU's, and nobody else has a reference to it.
        let text = unsafe { &mut (*table).text };
        text.fill(0);
        let Some(part) = text.get_mut(..t.len()) else { return 2 };
        part.copy_from_slice(t);
        part.reverse();
        text.iter().fold(0, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(*b)))
    }

    packet fn a_flow_counted(p) {
        let flow = Flow { source: p.read(26)?, destination: p.read(30)?, ports: p.read(34)? };
        let _ = FLOWS.insert(&flow, 5, 0);
        FLOWS.update(&flow, |n| n + 1);
        Some(FLOWS.get(&flow).unwrap_or(0))
    }

    words fn a_counter_by_key(x) {
        let key = x[0] as u32 & 15;
        let _ = COUNTS.insert(key, x[1] as u32, 0);
        COUNTS.update(key, |n| n.wrapping_add(3));
        COUNTS.get(key).map_or(1, u64::from)
    }

    words fn removed(x) {
        let key = x[0] as u32 | 1 << 20;
        let _ = COUNTS.insert(key, 9, 0);
        let there = COUNTS.get(key).is_some();
        let _ = COUNTS.remove(key);
        u64::from(there) << 1 | u64::from(COUNTS.get(key).is_some())
    }

    text fn a_name_as_a_key(t) {
        let mut name = [0u8; 16];
        for (to, from) in name.iter_mut().zip(t) {
            *to = from.to_ascii_lowercase();
        }
        let _ = NAMES.insert(name, t.len() as u64, 0);
        NAMES.get(name).unwrap_or(0)
    }

    words fn a_limit_kept(x) {
        let key = x[7] as u32 & 3;
        let _ = LIMITS.insert(key, x[0], 0);
        LIMITS.update(key, |n| n.saturating_sub(x[1]));
        LIMITS.get(key).unwrap_or(9)
    }

    words fn the_last_seen(x) {
        let _ = SEEN.insert(x[0], x[1], 0);
        match SEEN.get(x[0]) {
            Some(before) if before > x[2] => before - x[2],
            Some(before) => x[2] - before,
            None => 1,
        }
    }

    words fn cells_in_place(x) {
        let Some(cell) = NUMBERS.cell(7) else { return 1 };
        cell.set(x[0]);
        cell.set(cell.get().rotate_left(9) ^ x[1]);
        cell.get()
    }

    bytes fn a_slot_by_a_hash(b) {
        let mut slot = 0u32;
        for byte in &b[..8] {
            slot = slot.wrapping_mul(31).wrapping_add(u32::from(*byte));
        }
        let _ = NUMBERS.set(slot % 8, u64::from(slot), 0);
        NUMBERS.get(slot % 8).unwrap_or(0)
    }
}
