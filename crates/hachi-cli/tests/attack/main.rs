//! An attack on the command: calls that fail, kills and signals at any point, hostile files, users
//! without rights. Whatever happens, nothing may be left half-done, and words say what happened.
//!
//! These tests take minutes and are ignored: `cargo xtask test attack` runs them with a sample of
//! the places to strike at, the same each time; `cargo xtask test attacks` (`HACHI_ATTACK=long`)
//! with fifty times as many, which are all except those of commands that look at every process.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod files;
mod mutations;
mod rights;
mod signals;
mod state;

/// How many times as often as in the short run to strike.
fn factor() -> usize {
    let is_long = std::env::var_os("HACHI_ATTACK").is_some_and(|value| value == "long");
    if is_long { 50 } else { 1 }
}

/// Numbers that look like chance and are the same each time: xorshift64.
struct Random(u64);

impl Random {
    /// Seeded by a name.
    fn of(name: &str) -> Random {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Random(hash | 1)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// `count` of the items (in the long run more), or all; in their order.
    fn sample<T>(&mut self, mut items: Vec<T>, count: usize) -> Vec<T> {
        while items.len() > count.saturating_mul(factor()) {
            let out = self.below(items.len());
            items.remove(out);
        }
        items
    }
}
