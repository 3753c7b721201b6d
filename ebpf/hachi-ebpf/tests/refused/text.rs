//! Text is not the key of a map: its address would be.
#![forbid(unsafe_code)]
use hachi_ebpf::maps::*;

static A: HashMap<&str, u64> = HashMap::with_max_entries(1, 0); //~ cannot share `&'static str`
static B: HashMap<String, u64> = HashMap::with_max_entries(1, 0); //~ cannot share `String`
static C: Array<&[u8]> = Array::with_max_entries(1, 0); //~ `&'static [u8]` cannot be the value
static D: HashMap<[u8; 16], u64> = HashMap::with_max_entries(1, 0);

//? text: its bytes, in an array, `[u8; 16]`
fn main() {}
