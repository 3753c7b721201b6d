//! `bpf_fib_lookup`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hachi_asm::helpers::id;
use hachi_obj::uapi::bpf_check_mtu_ret::{BPF_MTU_CHK_RET_FRAG_NEEDED, BPF_MTU_CHK_RET_SUCCESS};
use hachi_obj::uapi::{
    BPF_FIB_LKUP_RET_BLACKHOLE, BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH,
    BPF_FIB_LKUP_RET_NOT_FWDED, BPF_FIB_LKUP_RET_PROHIBIT, BPF_FIB_LKUP_RET_SUCCESS,
    BPF_FIB_LKUP_RET_UNREACHABLE, BPF_FIB_LOOKUP_DIRECT, BPF_FIB_LOOKUP_MARK,
    BPF_FIB_LOOKUP_OUTPUT, BPF_FIB_LOOKUP_SKIP_NEIGH, BPF_FIB_LOOKUP_SRC, BPF_FIB_LOOKUP_TBID,
};

use super::{Outcome, answer, context, size};
use crate::{Errno, Host, RouteKind};

/// Bytes of `struct bpf_fib_lookup`.
const PARAMS: usize = 64;

/// All flags of a search.
const FLAGS: u32 = BPF_FIB_LOOKUP_DIRECT
    | BPF_FIB_LOOKUP_OUTPUT
    | BPF_FIB_LOOKUP_SKIP_NEIGH
    | BPF_FIB_LOOKUP_TBID
    | BPF_FIB_LOOKUP_SRC
    | BPF_FIB_LOOKUP_MARK;

pub fn fib_lookup(host: &mut dyn Host, [ctx, at, len, flags, _]: [u64; 5]) -> Outcome {
    let helper = id::FIB_LOOKUP;
    context(host, helper, ctx)?;
    let len = size(helper, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let mut bytes = memory.bytes(at, len)?;
    let flags = flags as u32;
    if len < PARAMS || flags & !FLAGS != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let endian = memory.endian();
    let destination: IpAddr = match bytes[0] {
        2 => Ipv4Addr::new(bytes[32], bytes[33], bytes[34], bytes[35]).into(),
        10 => {
            let octets: [u8; 16] = bytes[32..48].try_into().unwrap_or_default();
            Ipv6Addr::from(octets).into()
        }
        _ => return answer(Err(Errno::EAFNOSUPPORT)),
    };
    let routes = world.routes.iter();
    let best = routes
        .filter(|route| route.leads_to(destination))
        .max_by_key(|route| route.destination.1);
    let Some(route) = best else {
        return Ok(BPF_FIB_LKUP_RET_NOT_FWDED.into());
    };
    match route.kind {
        RouteKind::Forward => {}
        RouteKind::Local => return Ok(BPF_FIB_LKUP_RET_NOT_FWDED.into()),
        RouteKind::Blackhole => return Ok(BPF_FIB_LKUP_RET_BLACKHOLE.into()),
        RouteKind::Unreachable => return Ok(BPF_FIB_LKUP_RET_UNREACHABLE.into()),
        RouteKind::Prohibit => return Ok(BPF_FIB_LKUP_RET_PROHIBIT.into()),
    }
    let total = endian.u16([bytes[6], bytes[7]]);
    if total > route.mtu {
        bytes[6..8].copy_from_slice(&endian.put_u16(route.mtu));
        memory.write(at, &bytes)?;
        return Ok(BPF_FIB_LKUP_RET_FRAG_NEEDED.into());
    }
    bytes[6..8].copy_from_slice(&endian.put_u16(route.mtu));
    bytes[8..12].copy_from_slice(&endian.put_u32(route.ifindex));
    // Where the flow's class was, the metric is given.
    bytes[12..16].copy_from_slice(&endian.put_u32(0));
    match route.gateway {
        Some(IpAddr::V4(gateway)) => {
            bytes[0] = 2;
            bytes[32..36].copy_from_slice(&gateway.octets());
        }
        Some(IpAddr::V6(gateway)) => {
            bytes[0] = 10;
            bytes[32..48].copy_from_slice(&gateway.octets());
        }
        None => {}
    }
    let mut result = BPF_FIB_LKUP_RET_SUCCESS;
    if flags & BPF_FIB_LOOKUP_SKIP_NEIGH == 0 {
        match route.neighbour {
            Some(neighbour) => {
                bytes[48..52].fill(0);
                bytes[52..58].copy_from_slice(&route.source);
                bytes[58..64].copy_from_slice(&neighbour);
            }
            None => result = BPF_FIB_LKUP_RET_NO_NEIGH,
        }
    }
    memory.write(at, &bytes)?;
    Ok(result.into())
}

pub fn check_mtu(host: &mut dyn Host, [ctx, ifindex, at, difference, flags]: [u64; 5]) -> Outcome {
    context(host, id::CHECK_MTU, ctx)?;
    let (world, memory) = host.parts();
    let given = memory.u32(at)?;
    let ifindex = ifindex as u32;
    // What a route says of an interface, or the usual.
    let mtu = world.routes.iter().find(|route| route.ifindex == ifindex);
    let mtu = mtu.map_or(1500, |route| u32::from(route.mtu));
    let len = match (given, &world.packet) {
        (0, Some(packet)) => packet.total_len(),
        (0, None) => 0,
        (given, _) => given + 14,
    };
    let bytes = memory.endian().put_u32(mtu);
    memory.write(at, &bytes)?;
    if flags & !1 != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let wanted = i64::from(len) + i64::from(difference as i32);
    let result = match wanted > i64::from(mtu) + 14 {
        true => BPF_MTU_CHK_RET_FRAG_NEEDED,
        false => BPF_MTU_CHK_RET_SUCCESS,
    };
    Ok(result.into())
}
