//! Loads an object again and again without attaching: `loader OBJECT COUNT`. Prints what
//! `timing::print_loads` does.

#[path = "../timing.rs"]
mod timing;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: loader OBJECT COUNT".into());
    };
    timing::print_loads(count.parse()?, || {
        let mut ebpf = hachi::Ebpf::load_file(&path).expect("the object can be opened");
        for (_, program) in ebpf.programs_mut() {
            program.load().expect("its programs can be loaded");
        }
        ebpf
    });
    Ok(())
}
