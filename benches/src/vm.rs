//! What hachi-vm's engines cost, beside other virtual machines and the kernel: `benches/vm`.

use crate::figures;
use crate::load::firewall;
use crate::tools::{Result, cargo, root, scratch, succeed};
use std::fs;

pub fn run() -> Result {
    let mut bench = cargo(&root().join("benches/vm"));
    bench
        .args(["run", "--quiet", "--release", "--target-dir"])
        .arg(scratch("vm")?)
        .arg("--")
        .arg(firewall()?);
    let file = scratch("vm")?.join("figures.json");
    print!("{}", succeed(bench.arg(&file))?);
    figures::adopt(serde_json::from_str(&fs::read_to_string(file)?)?);
    Ok(())
}
