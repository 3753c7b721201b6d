//! What the linker adds to a build: the time of one link of the firewall, and the object's size.

use crate::load::firewall;
use crate::tools::Result;

/// The largest the object may be.
const SIZE_GOAL: u64 = 16 * 1024;

pub fn run() -> Result {
    let object = firewall()?;
    let size = std::fs::metadata(&object)?.len();
    let verdict = if size < SIZE_GOAL { "met" } else { "MISSED" };
    println!(
        "  the firewall's object, with BTF {size:>22} bytes  goal < {SIZE_GOAL} bytes: {verdict}"
    );
    Ok(())
}
