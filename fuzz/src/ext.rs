//! A `.BTF` and a `.BTF.ext` section. The first two bytes of the input tell where one ends.

use hachi_btf::{Btf, BtfExt, StringTable};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Some((types, ext)) = crate::two_parts(bytes) else {
        return;
    };
    let Ok(btf) = Btf::parse(types) else { return };
    if let Ok(ext) = BtfExt::parse(ext, &btf) {
        ext.encode(&mut StringTable::new(), btf.endian());
    }
}
