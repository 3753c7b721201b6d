//! A congestion control for TCP: Reno, after RFC 5681, in the words of the kernel's
//! `struct tcp_congestion_ops`.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    atomic::{AtomicU64, Ordering},
    core_write,
    kernel::{Handle as _, c_chars},
    kernel_types,
    macros::{map, struct_ops},
    maps::Array,
};

kernel_types! {
    struct sock {}

    struct tcp_sock {
        snd_cwnd: u32,
        snd_cwnd_cnt: u32,
        snd_ssthresh: u32,
    }

    trait tcp_congestion_ops {
        const name: [u8; 16];
        fn init(sk: *mut sock);
        fn ssthresh(sk: *mut sock) -> u32;
        fn cong_avoid(sk: *mut sock, ack: u32, acked: u32);
        fn undo_cwnd(sk: *mut sock) -> u32;
    }
}

/// Connections; acknowledgements; losses.
#[map]
static STATS: Array<AtomicU64> = Array::with_max_entries(3, 0);

fn count(index: u32) {
    if let Some(count) = STATS.get(index) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

struct Reno;

#[struct_ops(name = "hachi_reno")]
impl tcp_congestion_ops for Reno {
    const name: [u8; 16] = c_chars("hachi_reno");

    fn init(_sk: sock) {
        count(0);
    }

    /// A loss: half the window.
    fn ssthresh(sk: sock) -> u32 {
        count(2);
        (sk.cast::<tcp_sock>().snd_cwnd() / 2).max(2)
    }

    /// Below the threshold the window grows by what is acknowledged, above it by one in each round
    /// trip.
    fn cong_avoid(sk: sock, _ack: u32, acked: u32) {
        count(1);
        let tcp = sk.cast::<tcp_sock>();
        let (window, threshold) = (tcp.snd_cwnd(), tcp.snd_ssthresh());
        if window < threshold {
            core_write!(tcp, snd_cwnd = window.saturating_add(acked).min(threshold));
            return;
        }
        let acked = tcp.snd_cwnd_cnt() + acked;
        if acked >= window {
            core_write!(tcp, snd_cwnd = window + 1);
            core_write!(tcp, snd_cwnd_cnt = acked - window);
        } else {
            core_write!(tcp, snd_cwnd_cnt = acked);
        }
    }

    fn undo_cwnd(sk: sock) -> u32 {
        let tcp = sk.cast::<tcp_sock>();
        tcp.snd_cwnd().max(tcp.snd_ssthresh())
    }
}

hachi_ebpf::license!("GPL");
