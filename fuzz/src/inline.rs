//! `.hachi.inline`: the functions that instructions were inlined through.

use hachi_obj::Endian;
use hachi_obj::inline::InlineInfo;

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    for endian in [Endian::Little, Endian::Big] {
        let info = InlineInfo::new(bytes, endian);
        for (name, size) in [("", 0), ("firewall", 88), ("helper", 16)] {
            if let Some(function) = info.function(name, size) {
                let frames: usize = function.records.iter().map(|(_, way)| way.len()).sum();
                assert!(
                    frames <= 1 << 16,
                    "{frames} frames of {} bytes",
                    bytes.len()
                );
            }
        }
    }
}
