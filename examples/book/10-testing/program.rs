//! How the program is loaded and attached.

use hachi::Ebpf;
use hachi::programs::{Xdp, XdpFlags};

use crate::args::Args;

pub const HELP: &str = "\
Lets ten packets of each sender through in each second.

Usage: gate --iface IFACE

  --iface IFACE   the interface, such as eth0
  --help          print this

Needs root. `cargo run` asks sudo for it.";

pub const OPTIONS: &[&str] = &["--iface"];

/// The program, attached.
pub struct Program {
    pub ebpf: Ebpf,
}

impl Program {
    pub fn start(object: &[u8], args: &Args) -> anyhow::Result<Program> {
        let iface: String = args.need("--iface")?;
        let mut ebpf = Ebpf::load(object)?;
        let program: &mut Xdp = ebpf.program_mut("gate")?.try_into()?;
        program.load()?;
        program.attach(&iface, XdpFlags::default())?;
        Ok(Program { ebpf })
    }

    /// What is left to say at the end.
    pub fn report(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::OBJECT;
    use hachi_test::{Bpf, Input};

    const XDP_DROP: u32 = 1;
    const XDP_PASS: u32 = 2;

    /// Two tests: `…::vm` runs the program without a kernel, `…::kernel` in it, as root.
    #[hachi_test::test(OBJECT)]
    fn the_eleventh_packet_is_dropped(bpf: &mut Bpf) {
        let mut verdict = || bpf.run("gate", &Input::new(&[7; 64])).verdict;
        for _ in 0..10 {
            assert_eq!(verdict(), XDP_PASS);
        }
        assert_eq!(verdict(), XDP_DROP);
        let sender = bpf.map::<[u8; 4], [u64; 2]>("SENDERS").get([7; 4]);
        assert_eq!(sender.map(|[_, packets]| packets), Some(11));
    }
}
