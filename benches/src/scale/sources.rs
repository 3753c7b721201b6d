//! Objects of any size, compiled by clang: what every toolkit opens.

use crate::tools::{Result, scratch, succeed};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What an object is to have.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub programs: usize,
    /// CO-RE records of each program, each with a line of source.
    pub records: usize,
    /// Instructions of a function that all programs call; 0 for none.
    pub shared: usize,
}

/// The object, compiled now unless it was before.
pub fn object(wanted: Wanted) -> Result<PathBuf> {
    let Wanted {
        programs,
        records,
        shared,
    } = wanted;
    let directory = scratch("scale-objects")?;
    let name = format!("{programs}x{records}+{shared}");
    let source = directory.join(format!("{name}.c"));
    let object = directory.join(format!("{name}.o"));
    let text = text(wanted)?;
    if object.exists() && fs::read_to_string(&source).is_ok_and(|known| known == text) {
        return Ok(object);
    }
    fs::write(&source, text)?;
    // Complete or not there.
    let unfinished = directory.join(format!("{name}.unfinished"));
    let mut clang = Command::new("clang");
    clang
        .args(["-O2", "-g", "-target", "bpf", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&unfinished);
    succeed(&mut clang).map_err(|error| format!("needs clang with the target bpf: {error}"))?;
    fs::rename(&unfinished, &object)?;
    Ok(object)
}

fn text(wanted: Wanted) -> Result<String, std::fmt::Error> {
    let mut text = String::from(
        "typedef unsigned long long u64;
char LICENSE[] __attribute__((section(\"license\"), used)) = \"GPL\";
struct task_struct {
\tint pid, tgid, prio, static_prio;
} __attribute__((preserve_access_index));
",
    );
    if wanted.shared > 0 {
        writeln!(
            text,
            "static __attribute__((noinline)) u64 shared(u64 x)\n{{"
        )?;
        for _ in 2..wanted.shared {
            writeln!(text, "\tasm volatile(\"%0 += 1\" : \"+r\"(x));")?;
        }
        writeln!(text, "\treturn x;\n}}")?;
    }
    for number in 0..wanted.programs {
        writeln!(
            text,
            "__attribute__((section(\"raw_tp/sched_switch\"), used)) int p{number}(u64 *ctx)\n{{
\tstruct task_struct *task = (void *)ctx[1];
\tu64 sum = 0;"
        )?;
        for record in 0..wanted.records {
            let member = ["pid", "tgid", "prio", "static_prio"][record % 4];
            writeln!(
                text,
                "\tasm volatile(\"\" : \"+r\"(task)); sum += (u64)&task->{member};"
            )?;
        }
        if wanted.shared > 0 {
            writeln!(text, "\tsum += shared(sum);")?;
        }
        writeln!(text, "\tasm volatile(\"\" : \"+r\"(sum));\n\treturn 0;\n}}")?;
    }
    Ok(text)
}
