//! Works on an object again and again without attaching: `loader OBJECT COUNT [open|one|all]`.
//! Prints what `timing::print_loads` does.
//!
//! `open` reads the object without the kernel, `one` loads its last program, `all` (the default)
//! every one.

#[path = "../../src/timing.rs"]
mod timing;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: loader OBJECT COUNT [open|one|all]".into());
    };
    let count = count.parse()?;
    match arguments.next().as_deref() {
        None | Some("all") => timing::print_loads(count, || load(&path, |_| true)),
        Some("one") => {
            let spec = hachi::obj::Spec::parse_vec(std::fs::read(&path)?)?;
            let last = spec.programs.last().ok_or("it has no programs")?.name.clone();
            drop(spec);
            timing::print_loads(count, || load(&path, |name| name == last));
        }
        Some("open") => timing::print_loads(count, || {
            let bytes = std::fs::read(&path).expect("the object can be read");
            hachi::obj::Spec::parse_vec(bytes).expect("the object can be opened")
        }),
        Some(other) => return Err(format!("`{other}` is none of open, one, all").into()),
    }
    Ok(())
}

fn load(path: &str, is_wanted: impl Fn(&str) -> bool) -> hachi::Ebpf {
    let mut ebpf = hachi::Ebpf::load_file(path).expect("the object can be opened");
    for (name, program) in ebpf.programs_mut() {
        if is_wanted(&name) {
            program.load().expect("its programs can be loaded");
        }
    }
    ebpf
}
