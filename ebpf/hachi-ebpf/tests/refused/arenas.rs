//! What lies in an arena others write.
#![forbid(unsafe_code)]
use hachi_ebpf::maps::*;

static MEMORY: Arena = Arena::with_pages(1, 0);

fn main() {
    let at = ArenaPtr::<u64>::from_address(4096);
    let _: &u64 = MEMORY.cell(at).unwrap(); //~ mismatched types
    let _ = MEMORY.read(at.cast::<bool>()); //~ `bool` is not plain data
}
