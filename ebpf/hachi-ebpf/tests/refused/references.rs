//! What another CPU, or the next line, changes is a copy.
#![forbid(unsafe_code)]
use hachi_ebpf::maps::*;

static U: Array<u32> = Array::with_max_entries(1, 0);
static H: HashMap<u32, u64> = HashMap::with_max_entries(1, 0);
static P: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
static O: ArrayOfMaps<Array<u32>> =
    ArrayOfMaps::with_max_entries(1, 0, Array::with_max_entries(1, 0));

fn main() {
    let a: &u32 = U.get(0).unwrap(); //~ mismatched types
    let b = H.get(1).unwrap();
    println!("{}", *b); //~ type `u64` cannot be dereferenced
    let c = P.get(0).unwrap();
    println!("{}", *c); //~ type `u64` cannot be dereferenced
    let d: &u32 = O.get_value(0, 0u32).unwrap(); //~ mismatched types
    let _ = H.for_each(|key: &u32, _| core::ops::ControlFlow::Continue(())); //~ type mismatch
    let e: &u64 = H.get_or_insert(1, 1).unwrap(); //~ mismatched types
}
