//! A `.BTF` and a `.BTF.ext` section. The first two bytes of the input tell where one ends.
#![no_main]

use hachi_btf::{Btf, BtfExt, StringTable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((len, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
    let (types, ext) = rest.split_at(len);
    let Ok(btf) = Btf::parse(types) else { return };
    if let Ok(ext) = BtfExt::parse(ext, &btf) {
        ext.encode(&mut StringTable::new(), btf.endian());
    }
});
