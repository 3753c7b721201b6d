//! Plain data: values that are their bytes.

use core::mem::size_of;

use crate::layout::{Field, Layout, Names, Parts};

/// A type whose values may be copied to and from raw memory: a map key or value, an event in a ring
/// buffer, a header in a packet.
///
/// Derive it (`#[derive(Clone, Copy, Pod)] #[repr(C)]`): the derive macro refuses what breaks the
/// conditions below, naming the field. The name and shape are those of Aya's trait, with one
/// condition more (padding), because the kernel's verifier rejects programs that pass uninitialised
/// stack bytes, such as padding, to a helper.
///
/// # Safety
///
/// The implementing type must
/// - have no padding, inside or at the end: every byte of a value is initialised;
/// - accept any bit pattern: no `bool`, `char`, enum, reference or `NonZero…` inside;
/// - hold no pointer that means something to one side only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not plain data, so user space and kernel cannot share it (`Pod`)",
    label = "not every pattern of bits, or not every byte, of `{Self}` is a value",
    note = "a struct of your own: `#[derive(Clone, Copy, Pod)] #[repr(C)]`, which names the field \
            that has padding or is not plain data",
    note = "a `bool`: `Stored<bool>`; an enum without data: `#[derive(Clone, Copy, Shareable)] \
            #[repr(u8)]`, and `Stored<…>` as a field",
    note = "a `char` or `NonZero…`: an integer of that size; a reference or pointer: the value \
            itself, or a `u64`"
)]
pub unsafe trait Pod: Copy + 'static + Names {
    /// The fields of a struct, in the order of their offsets, as the derive macro tells them. None
    /// by default: then what the bytes mean is not known, and the type goes for any of its size.
    const FIELDS: &'static [Field] = &[];

    /// What the bytes mean. User space compares it with the types that a map was declared with.
    const LAYOUT: &'static Layout = &Layout::of_fields(size_of::<Self>(), Self::FIELDS);

    /// No constant when there is padding.
    #[doc(hidden)]
    const __CHECKED: () = ();
}

macro_rules! pod {
    ($($t:ty),* $(,)?) => { $(
        // SAFETY: an integer has no padding and every bit pattern is one of its values.
        unsafe impl Pod for $t {
            const LAYOUT: &'static Layout = &Layout::number(size_of::<$t>());
        }
    )* };
}

pod!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

// SAFETY: the empty tuple has no bytes at all.
unsafe impl Pod for () {}

// SAFETY: an array has no padding between its elements, and those are plain data themselves.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {
    const LAYOUT: &'static Layout = &Layout {
        size: size_of::<Self>(),
        parts: Parts::Elements(T::LAYOUT, N),
    };
}

/// The bytes of `value`, in the order they have in memory.
#[inline(always)]
pub const fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: `Pod` promises that all `size_of::<T>()` bytes are initialised; the borrow is the
    // value's own.
    unsafe { core::slice::from_raw_parts((value as *const T).cast(), size_of::<T>()) }
}

/// The bytes of `value`, to be written.
#[inline(always)]
pub const fn bytes_of_mut<T: Pod>(value: &mut T) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; any byte may be written because `Pod` accepts every bit pattern.
    unsafe { core::slice::from_raw_parts_mut((value as *mut T).cast(), size_of::<T>()) }
}

/// Reads a `T` from the start of `bytes`, at any alignment; bytes beyond `T` are ignored.
///
/// `None` when `bytes` is shorter than `T`.
#[inline(always)]
pub const fn read_bytes<T: Pod>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: the length was just checked, the read is unaligned, and `Pod` accepts any bits.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

#[cfg(feature = "network-types")]
mod network {
    use super::Pod;
    use network_types::{arp, eth, geneve, icmp, igmp, ip, llc, mpls, sctp, tcp, udp, vlan, vxlan};

    macro_rules! header {
        ($($t:ty: $size:literal),* $(,)?) => { $(
            // A header with padding would be longer than the bytes on the wire.
            const _: () = assert!(size_of::<$t>() == $size);
            // SAFETY: integers and byte arrays throughout, without padding (asserted above).
            unsafe impl Pod for $t {}
        )* };
    }

    header! {
        arp::ArpHdr: 28,
        eth::EthHdr: 14,
        geneve::GeneveHdr: 8,
        icmp::Icmpv4Hdr: 8,
        icmp::Icmpv6Hdr: 8,
        igmp::IGMPv1Hdr: 8,
        igmp::IGMPv2Hdr: 8,
        ip::Ipv4Hdr: 20,
        ip::Ipv6Hdr: 40,
        llc::LlcHdr: 4,
        mpls::Mpls: 4,
        sctp::SctpHdr: 12,
        tcp::TcpHdr: 20,
        udp::UdpHdr: 8,
        vlan::VlanHdr: 4,
        vxlan::VxlanHdr: 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        let mut x = [0x0102_0304_u32, 5];
        let copy: [u32; 2] = read_bytes(bytes_of(&x)).unwrap();
        assert_eq!(copy, x);
        bytes_of_mut(&mut x)[..4].fill(0);
        assert_eq!(x, [0, 5]);
    }

    #[test]
    fn reads_unaligned_and_refuses_short() {
        let bytes = [0u8, 1, 2, 3, 4];
        assert_eq!(
            read_bytes::<u32>(&bytes[1..]),
            Some(u32::from_ne_bytes([1, 2, 3, 4]))
        );
        assert_eq!(read_bytes::<u64>(&bytes), None);
    }
}
