//! A `.BTF` section and a value: everything that can be printed.

use hachi_btf::print::{self, Layout, Value};
use hachi_btf::{Btf, Types};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    let ids = 1..=btf.last_id();
    let _ = print::header(&btf, ids.clone(), "GUARD");
    let _ = print::raw(&btf, ids.clone());
    let _ = print::json(&btf, ids.clone());
    for id in ids.take(100) {
        let _ = Layout::new(&btf, id).map(|layout| layout.text(64));
        let _ = Layout::expanded(&btf, id).map(|layout| layout.text(64));
        if let Some(value) = Value::decode(&btf, id, bytes) {
            let _ = (value.to_string(), value.to_json());
        }
        let _ = print::diff((&btf, Some(id)), (&btf, Some(1)));
    }
}
