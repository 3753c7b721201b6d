//! The eBPF side: lets ten packets of each sender through in each second.

#![cfg_attr(not(test), no_std, no_main)]
#![forbid(unsafe_code)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::helpers::bpf_ktime_get_ns;
use hachi_ebpf::info;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::LruHashMap;
use hachi_ebpf::programs::XdpContext;

hachi_ebpf::license!("GPL");
hachi_ebpf::host_main!();

const LIMIT: u64 = 10;
const SECOND: u64 = 1_000_000_000;

/// When a sender's second began, and how many packets it has sent since.
#[map]
static SENDERS: LruHashMap<[u8; 4], [u64; 2]> = LruHashMap::with_max_entries(10_000, 0);

#[xdp]
fn gate(ctx: XdpContext) -> u32 {
    let Some(sender) = ctx.read::<[u8; 4]>(26) else {
        return xdp_action::XDP_PASS;
    };
    let now = bpf_ktime_get_ns();
    let [begin, packets] = match SENDERS.get(sender) {
        Some([begin, packets]) if now - begin < SECOND => [begin, packets],
        _ => [now, 0],
    };
    let _ = SENDERS.insert(sender, [begin, packets + 1], 0);
    if packets < LIMIT {
        return xdp_action::XDP_PASS;
    }
    info!(&ctx, "too much from {:i}", sender);
    xdp_action::XDP_DROP
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_ebpf::test::{Input, Kernel};

    #[test]
    fn a_new_second_opens_the_gate() {
        let kernel = Kernel::new();
        kernel.set_time(5 * SECOND);
        let verdict = || Input::new([7; 64]).run(gate);
        for _ in 0..LIMIT {
            assert_eq!(verdict(), xdp_action::XDP_PASS);
        }
        assert_eq!(verdict(), xdp_action::XDP_DROP);
        assert_eq!(kernel.logs(), ["too much from 7.7.7.7"]);
        kernel.set_time(6 * SECOND);
        assert_eq!(verdict(), xdp_action::XDP_PASS);
    }

    #[test]
    fn packets_without_a_sender_pass() {
        assert_eq!(Input::new([7; 20]).run(gate), xdp_action::XDP_PASS);
    }
}
