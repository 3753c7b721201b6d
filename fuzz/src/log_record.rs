//! The log sites of an object, and a record from the ring buffer. The first two bytes of the input
//! tell where the sites end.

use hachi_common::log::Sites;

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Some((sites, record)) = crate::two_parts(bytes) else {
        return;
    };
    let sites = Sites::new(sites);
    let _ = sites.iter().count();
    if let Ok(message) = sites.decode(record) {
        let _ = message.to_string();
    }
}
