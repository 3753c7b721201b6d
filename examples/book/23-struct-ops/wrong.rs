#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::kernel::c_chars;
use hachi_ebpf::kernel_types;
use hachi_ebpf::macros::struct_ops;

kernel_types! {
    struct sock {}

    trait tcp_congestion_ops {
        const name: [u8; 16];
        fn ssthresh(sk: *mut sock) -> u32;
    }
}

struct Lazy;

#[struct_ops(name = "lazy")]
impl tcp_congestion_ops for Lazy {
    const name: [u8; 16] = c_chars("lazy");

    fn ssthresh(_sk: sock) -> u32 {
        2
    }
}

hachi_ebpf::license!("GPL");
