//! What hachi-vm's engines cost, beside other virtual machines and the kernel: `benches/vm`.

use crate::load::firewall;
use crate::tools::{Result, cargo, root, scratch, succeed};

pub fn run() -> Result {
    let mut bench = cargo(&root().join("benches/vm"));
    bench
        .args(["run", "--quiet", "--release", "--target-dir"])
        .arg(scratch("vm")?)
        .arg("--")
        .arg(firewall()?);
    print!("{}", succeed(&mut bench)?);
    Ok(())
}
