//! A kernel configuration: its options, written as values of every type.

use hachi_obj::Endian;
use hachi_obj::kconfig::{KconfigType, options};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for (_, value) in options(text).flatten() {
        for ty in [
            KconfigType::Bool,
            KconfigType::Tristate,
            KconfigType::Char { signed: true },
            KconfigType::Int { signed: true },
            KconfigType::Int { signed: false },
            KconfigType::Text,
        ] {
            for len in 0..=16 {
                let _ = ty.write(value, &mut [0; 16][..len], Endian::Big);
            }
        }
    }
}
