//! Opens the kernel's types and relocates an object against them, again and again:
//! `types OBJECT COUNT`.
//!
//! Prints the median time in µs of opening the types and finding one by name; the median time and
//! the mean CPU time outside the kernel, both in µs, from the bytes of the object to relocated
//! instructions, opening the types included; and the private memory in KiB that the types take once
//! they are open and have been searched.

#[path = "../timing.rs"]
mod timing;

use hachi::Btf;
use hachi::obj::{Spec, link::Types};
use hachi_btf::{Kind, Types as _};
use std::time::Instant;
use timing::{median, micros, user_time};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: types OBJECT COUNT".into());
    };
    let bytes = std::fs::read(path)?;
    let count: usize = count.parse()?;

    let before = private_memory()?;
    let first = open()?;
    let memory = private_memory()?.saturating_sub(before);
    drop(first);

    let mut opens = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        open()?;
        opens.push(start.elapsed());
    }
    let mut times = Vec::with_capacity(count);
    let before = user_time();
    for _ in 0..count {
        let start = Instant::now();
        let spec = Spec::parse(&bytes)?;
        let btf = Btf::from_sys_fs()?;
        let types = Types::new(btf.types(), &[]);
        for program in &spec.programs {
            program.link(&types)?;
        }
        drop((spec, btf));
        times.push(start.elapsed());
    }
    let own = (user_time() - before) / count as u32;
    println!(
        "{:.1} {:.1} {:.1} {memory}",
        micros(median(&opens)),
        micros(median(&times)),
        micros(own)
    );
    Ok(())
}

fn open() -> Result<Btf, Box<dyn std::error::Error>> {
    let btf = Btf::from_sys_fs()?;
    btf.types()
        .find("task_struct", Kind::Struct)
        .ok_or("there are no tasks")?;
    Ok(btf)
}

/// Memory that only this process has, in KiB: a mapped file of the kernel's is not among it.
fn private_memory() -> Result<u64, Box<dyn std::error::Error>> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no Private_Dirty")?.parse()?)
}
