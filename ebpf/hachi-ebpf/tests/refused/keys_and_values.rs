//! What is not plain data cannot be in a map.
#![forbid(unsafe_code)]
use hachi_ebpf::{Pod, Shared, maps::*};
use std::num::NonZeroU32;

static A: Array<NonZeroU32> = Array::with_max_entries(1, 0); //~ `NonZero<u32>` cannot be the value

#[derive(Clone, Copy)]
#[repr(u8)]
enum Choice {
    One = 1,
}
static B: Array<Choice> = Array::with_max_entries(1, 0); //~ `Choice` cannot be the value of a map

static C: Array<&'static str> = Array::with_max_entries(1, 0); //~ `&'static str` cannot be
static D: Array<&'static u64> = Array::with_max_entries(1, 0); //~ `&'static u64` cannot be
static E: Array<Option<&'static fn()>> = Array::with_max_entries(1, 0); //~ cannot be the value

#[derive(Clone, Copy)]
#[repr(C)]
struct Flow {
    source: u32,
    protocol: u8,
}
static F: HashMap<Flow, u64> = HashMap::with_max_entries(1, 0); //~ cannot share `Flow`
static G: HashMap<&str, u64> = HashMap::with_max_entries(1, 0); //~ cannot share `&'static str`
static H: LpmTrie<Flow, u64> = LpmTrie::with_max_entries(1, 0); //~ `Flow` is not plain data
static I: SockHash<Flow> = SockHash::with_max_entries(1, 0); //~ cannot share `Flow`
static J: Queue<char> = Queue::with_max_entries(1, 0); //~ cannot share `char`
static K: BloomFilter<Flow> = BloomFilter::with_max_entries(1, 0); //~ cannot share `Flow`
static L: PerCpuHashMap<u32, Flow> = PerCpuHashMap::with_max_entries(1, 0); //~ `Flow` cannot be
static M: HashOfMaps<Flow, Array<u32>> = //~ cannot share `Flow`
    HashOfMaps::with_max_entries(1, 0, Array::with_max_entries(1, 0));
static N: TaskStorage<Flow> = TaskStorage::new(0); //~ `Flow` cannot be the value of a map

//? a struct of your own: `#[derive(Clone, Copy, Pod)] #[repr(C)]`, which names the field
//? an enum without data: `#[derive(Clone, Copy, Shareable)] #[repr(u8)]`
//? a reference or pointer: the value itself, or a `u64`
fn main() {}
