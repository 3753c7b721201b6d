//! Helpers for sockets, and for what programs of cgroups and sockets get.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hachi_asm::helpers::id;
use hachi_obj::MapType;
use hachi_obj::uapi::sk_action::{SK_DROP, SK_PASS};
use hachi_obj::uapi::{
    BPF_F_INGRESS, BPF_SK_LOOKUP_F_NO_REUSEPORT, BPF_SK_LOOKUP_F_REPLACE, BPF_SOCK_OPS_ALL_CB_FLAGS,
};

use super::{Outcome, answer, context, map, misuse, not, size, unfit};
use crate::{
    Block, Errno, Expected, Held, Host, Kind, Memory, Misuse, Packet, Protection, Redirect, Socket,
    Trap, Wanted, World,
};

/// The address under which the program finds a socket.
///
/// # Errors
/// If there is no more memory.
pub fn expose(world: &mut World, memory: &mut dyn Memory, socket: usize) -> Result<u64, Trap> {
    let bytes = match world.sockets.get(socket) {
        Some(socket) => socket.bytes(memory.endian()),
        None => return Ok(0),
    };
    let block = memory.allocate(Kind::Socket, bytes.len() as u32, 1, Protection::ReadOnly);
    let block = block.map_err(|_| Trap::Memory)?;
    memory.write_owned(block.address, &bytes)?;
    world.objects.sockets.insert(block.address, socket);
    Ok(block.address)
}

/// The socket that a pointer stands for: one that was looked up, or that of the context.
fn socket(host: &mut dyn Host, helper: u32, pointer: u64) -> Result<usize, Trap> {
    let (world, _) = host.parts();
    let found = match world.objects.sockets.get(&pointer) {
        Some(found) => Some(*found),
        None if pointer == world.running.context => world.running.socket,
        None => None,
    };
    found.ok_or_else(|| not(helper, pointer, Expected::Socket))
}

fn lookup(host: &mut dyn Host, helper: u32, protocol: u8, arguments: [u64; 5]) -> Outcome {
    let [ctx, at, len, namespace, flags] = arguments;
    context(host, helper, ctx)?;
    let len = size(helper, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let bytes = memory.bytes(at, len)?;
    if flags != 0 {
        return Ok(0);
    }
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let (remote, local): (SocketAddr, SocketAddr) = match bytes.len() {
        12 => {
            let address =
                |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
            ((address(0), port(8)).into(), (address(4), port(10)).into())
        }
        36 => {
            let address = |at: usize| {
                let octets: [u8; 16] = bytes[at..at + 16].try_into().unwrap_or_default();
                Ipv6Addr::from(octets)
            };
            (
                (address(0), port(32)).into(),
                (address(16), port(34)).into(),
            )
        }
        // Neither a tuple of IPv4 nor one of IPv6.
        _ => return Ok(0),
    };
    // A negative number stands for the namespace of the packet.
    let namespace = namespace as i32;
    let best = world
        .sockets
        .iter()
        .enumerate()
        .filter(|(_, socket)| namespace < 0 || socket.namespace == u64::from(namespace as u32));
    let best = best
        .map(|(at, socket)| (socket.suits(protocol, local, remote), at))
        .filter(|(suits, _)| *suits > 0)
        .max_by_key(|(suits, at)| (*suits, std::cmp::Reverse(*at)));
    let Some((_, found)) = best else { return Ok(0) };
    let address = expose(world, memory, found)?;
    world.held.push(Held::Reference {
        what: "a socket",
        address,
    });
    Ok(address)
}

pub fn lookup_tcp(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    lookup(host, id::SK_LOOKUP_TCP, Socket::TCP, arguments)
}

pub fn lookup_udp(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    lookup(host, id::SK_LOOKUP_UDP, Socket::UDP, arguments)
}

pub fn skc_lookup_tcp(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    lookup(host, id::SKC_LOOKUP_TCP, Socket::TCP, arguments)
}

pub fn release(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    let is_it =
        |held: &Held| matches!(held, Held::Reference { address, .. } if *address == pointer);
    let Some(at) = world.held.iter().position(is_it) else {
        // Says what became of one that is gone.
        memory.bytes(pointer, 1)?;
        return Err(not(id::SK_RELEASE, pointer, Expected::FoundSocket));
    };
    world.held.remove(at);
    world.objects.sockets.remove(&pointer);
    let block = Block {
        address: pointer,
        stride: 1,
    };
    memory.release(block, crate::Gone::Released);
    Ok(0)
}

/// The socket itself, for those that ask for the full one, or one of another kind.
fn same(host: &mut dyn Host, helper: u32, pointer: u64, wanted: fn(&Socket) -> bool) -> Outcome {
    if pointer == 0 {
        return Ok(0);
    }
    let at = socket(host, helper, pointer)?;
    let (world, _) = host.parts();
    Ok(if wanted(&world.sockets[at]) {
        pointer
    } else {
        0
    })
}

pub fn fullsock(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    same(host, id::SK_FULLSOCK, pointer, |_| true)
}

pub fn listener(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    same(host, id::GET_LISTENER_SOCK, pointer, |socket| {
        socket.listening && socket.protocol == Socket::TCP
    })
}

pub fn cookie(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    if pointer == world.running.context && world.running.socket.is_none() {
        return Ok(0);
    }
    let at = socket(host, id::GET_SOCKET_COOKIE, pointer)?;
    Ok(host.parts().0.sockets[at].cookie)
}

pub fn uid(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    context(host, id::GET_SOCKET_UID, pointer)?;
    let (world, _) = host.parts();
    // `overflowuid`
    let uid = world
        .running
        .socket
        .map_or(65534, |at| world.sockets[at].uid);
    Ok(uid.into())
}

pub fn netns_cookie(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    if pointer != 0 {
        context(host, id::GET_NETNS_COOKIE, pointer)?;
    }
    let world = world_of(host);
    let socket = world.running.socket;
    Ok(socket.map_or(1, |at| world.sockets[at].namespace))
}

fn world_of(host: &mut dyn Host) -> &mut World {
    host.parts().0
}

pub fn cgroup_id(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    let at = socket(host, id::SK_CGROUP_ID, pointer)?;
    Ok(world_of(host).sockets[at].cgroup)
}

pub fn skb_cgroup_id(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    context(host, id::SKB_CGROUP_ID, pointer)?;
    let world = world_of(host);
    let socket = world.running.socket;
    Ok(socket.map_or(world.cgroup, |at| world.sockets[at].cgroup))
}

/// Options of sockets: level and name.
fn option(
    host: &mut dyn Host,
    helper: u32,
    [pointer, level, name, at, len]: [u64; 5],
    set: bool,
) -> Outcome {
    /// `SOL_SOCKET`, and of its names those with a field here.
    const SOCKET_LEVEL: u32 = 1;
    const PRIORITY: u32 = 12;
    const MARK: u32 = 36;
    let len = size(helper, u64::from(len as u32))?;
    let socket = socket(host, helper, pointer)?;
    let (world, memory) = host.parts();
    let (level, name) = (level as u32, name as u32);
    let endian = memory.endian();
    let own = match (level, name) {
        (SOCKET_LEVEL, PRIORITY) => Some(&mut world.sockets[socket].priority),
        (SOCKET_LEVEL, MARK) => Some(&mut world.sockets[socket].mark),
        _ => None,
    };
    if set {
        let bytes = memory.bytes(at, len)?;
        if let Some(own) = own {
            let Some(number) = bytes.first_chunk() else {
                return answer(Err(Errno::EINVAL));
            };
            *own = endian.u32(*number);
        }
        world.options.insert((socket, level, name), bytes);
        return Ok(0);
    }
    let bytes = match own {
        Some(own) => Some(endian.put_u32(*own).to_vec()),
        None => world.options.get(&(socket, level, name)).cloned(),
    };
    match bytes {
        Some(mut bytes) => {
            bytes.resize(len, 0);
            memory.write(at, &bytes)?;
            Ok(0)
        }
        None => {
            memory.write(at, &vec![0; len])?;
            answer(Err(Errno::ENOPROTOOPT))
        }
    }
}

pub fn setsockopt(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    option(host, id::SETSOCKOPT, arguments, true)
}

pub fn getsockopt(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    option(host, id::GETSOCKOPT, arguments, false)
}

pub fn bind(host: &mut dyn Host, [ctx, at, len, ..]: [u64; 5]) -> Outcome {
    context(host, id::BIND, ctx)?;
    let len = size(id::BIND, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let bytes = memory.bytes(at, len)?;
    let family = bytes
        .first_chunk()
        .map(|family| memory.endian().u16(*family));
    let ip: IpAddr = match (family, bytes.len()) {
        (Some(2), 16..) => Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]).into(),
        (Some(10), 24..) => {
            let octets: [u8; 16] = bytes[8..24].try_into().unwrap_or_default();
            Ipv6Addr::from(octets).into()
        }
        (Some(2 | 10), _) => return answer(Err(Errno::EINVAL)),
        _ => return answer(Err(Errno::EAFNOSUPPORT)),
    };
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    if let Some(socket) = world.running.socket {
        world.sockets[socket].local = (ip, port).into();
    }
    Ok(0)
}

pub fn assign(host: &mut dyn Host, [ctx, pointer, flags, ..]: [u64; 5]) -> Outcome {
    context(host, id::SK_ASSIGN, ctx)?;
    if flags & !(BPF_SK_LOOKUP_F_REPLACE | BPF_SK_LOOKUP_F_NO_REUSEPORT) != 0 {
        return answer(Err(Errno::EINVAL));
    }
    if pointer == 0 {
        world_of(host).chosen = None;
        return Ok(0);
    }
    let at = socket(host, id::SK_ASSIGN, pointer)?;
    let world = world_of(host);
    if world.chosen.is_some() && flags & BPF_SK_LOOKUP_F_REPLACE == 0 {
        return answer(Err(Errno::EEXIST));
    }
    world.chosen = Some(at);
    Ok(0)
}

/// The socket at a key of a map of sockets: its number is the value.
fn of_map(
    host: &mut dyn Host,
    helper: u32,
    pointer: u64,
    key: &[u8],
) -> Result<Option<usize>, Trap> {
    let number = map(host, helper, pointer)?;
    let (world, memory) = host.parts();
    let map = &world.maps[number as usize];
    let is_of_sockets = matches!(
        map.kind(),
        MapType::Sockmap | MapType::Sockhash | MapType::ReuseportSockarray
    );
    if !is_of_sockets {
        return Err(unfit(helper, map, Wanted::Sockets));
    }
    let value = map.values(memory, key)?.pop();
    let cookie = match value.as_deref() {
        Some([a, b, c, d]) => u64::from(memory.endian().u32([*a, *b, *c, *d])),
        Some(bytes) => match bytes.first_chunk() {
            Some(bytes) => memory.endian().u64(*bytes),
            None => return Ok(None),
        },
        None => return Ok(None),
    };
    Ok(world
        .sockets
        .iter()
        .position(|socket| socket.cookie == cookie))
}

pub fn select_reuseport(host: &mut dyn Host, [ctx, pointer, at, flags, _]: [u64; 5]) -> Outcome {
    let helper = id::SK_SELECT_REUSEPORT;
    context(host, helper, ctx)?;
    if flags != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let key = key(host, helper, pointer, at)?;
    match of_map(host, helper, pointer, &key)? {
        Some(found) => {
            world_of(host).chosen = Some(found);
            Ok(0)
        }
        None => answer(Err(Errno::ENOENT)),
    }
}

fn key(host: &mut dyn Host, helper: u32, pointer: u64, at: u64) -> Result<Vec<u8>, Trap> {
    let number = map(host, helper, pointer)?;
    let (world, memory) = host.parts();
    let size = world.maps[number as usize].key_size() as usize;
    Ok(memory.bytes(at, size)?)
}

fn redirect(
    host: &mut dyn Host,
    helper: u32,
    [ctx, pointer, _, flags, _]: [u64; 5],
    key: &[u8],
) -> Outcome {
    context(host, helper, ctx)?;
    if flags & !BPF_F_INGRESS != 0 {
        return Ok(SK_DROP.into());
    }
    let Some(socket) = of_map(host, helper, pointer, key)? else {
        return Ok(SK_DROP.into());
    };
    let number = map(host, helper, pointer)?;
    let (world, memory) = host.parts();
    let shown = match key.first_chunk() {
        Some(bytes) => memory.endian().u32(*bytes).into(),
        None => 0,
    };
    world.chosen = Some(socket);
    world.redirect = Some(Redirect::Map {
        map: world.maps[number as usize].name().to_owned(),
        key: shown,
        value: memory
            .endian()
            .put_u64(world.sockets[socket].cookie)
            .to_vec(),
    });
    Ok(SK_PASS.into())
}

fn redirect_map(host: &mut dyn Host, helper: u32, arguments: [u64; 5]) -> Outcome {
    let key = host.parts().1.endian().put_u32(arguments[2] as u32);
    redirect(host, helper, arguments, &key)
}

fn redirect_hash(host: &mut dyn Host, helper: u32, arguments: [u64; 5]) -> Outcome {
    let key = key(host, helper, arguments[1], arguments[2])?;
    redirect(host, helper, arguments, &key)
}

pub fn sk_redirect_map(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    redirect_map(host, id::SK_REDIRECT_MAP, arguments)
}

pub fn sk_redirect_hash(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    redirect_hash(host, id::SK_REDIRECT_HASH, arguments)
}

pub fn msg_redirect_map(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    redirect_map(host, id::MSG_REDIRECT_MAP, arguments)
}

pub fn msg_redirect_hash(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    redirect_hash(host, id::MSG_REDIRECT_HASH, arguments)
}

fn add(host: &mut dyn Host, helper: u32, [ctx, pointer, at, flags, _]: [u64; 5]) -> Outcome {
    context(host, helper, ctx)?;
    let key = key(host, helper, pointer, at)?;
    let number = map(host, helper, pointer)?;
    let (world, memory) = host.parts();
    let Some(socket) = world.running.socket else {
        return answer(Err(Errno::EOPNOTSUPP));
    };
    let map = &mut world.maps[number as usize];
    let mut value = memory
        .endian()
        .put_u64(world.sockets[socket].cookie)
        .to_vec();
    if map.value_size() == 4 {
        value = memory
            .endian()
            .put_u32(world.sockets[socket].cookie as u32)
            .to_vec();
    }
    let updated = map.update(memory, &key, &value, flags, 0)?;
    answer(updated.map(|()| 0))
}

pub fn sock_map_update(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    add(host, id::SOCK_MAP_UPDATE, arguments)
}

pub fn sock_hash_update(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    add(host, id::SOCK_HASH_UPDATE, arguments)
}

pub fn cb_flags_set(host: &mut dyn Host, [ctx, flags, ..]: [u64; 5]) -> Outcome {
    const ALL: u32 = BPF_SOCK_OPS_ALL_CB_FLAGS;
    context(host, id::SOCK_OPS_CB_FLAGS_SET, ctx)?;
    let (world, memory) = host.parts();
    let layout = crate::context::Layout::named("bpf_sock_ops");
    let field = layout.and_then(|layout| layout.field("bpf_sock_ops_cb_flags"));
    if let Some(field) = field {
        let bytes = memory.endian().put_u32(flags as u32 & ALL);
        memory.write_owned(world.running.context + u64::from(field.offset), &bytes)?;
    }
    // What it does not know comes back.
    Ok(u64::from(flags as u32 & !ALL))
}

/// The packet, for helpers on a socket's message.
fn message(host: &mut dyn Host, helper: u32, ctx: u64) -> Result<Packet, Trap> {
    context(host, helper, ctx)?;
    let packet = host.parts().0.packet;
    packet.ok_or_else(|| misuse(helper, Misuse::NoMessage))
}

pub fn apply_bytes(host: &mut dyn Host, [ctx, bytes, ..]: [u64; 5]) -> Outcome {
    message(host, id::MSG_APPLY_BYTES, ctx)?;
    world_of(host).message.apply = bytes as u32;
    Ok(0)
}

pub fn cork_bytes(host: &mut dyn Host, [ctx, bytes, ..]: [u64; 5]) -> Outcome {
    message(host, id::MSG_CORK_BYTES, ctx)?;
    world_of(host).message.cork = bytes as u32;
    Ok(0)
}

/// Changes the message's bytes; `None` if the range is not in it.
fn edit(
    host: &mut dyn Host,
    helper: u32,
    ctx: u64,
    edit: impl FnOnce(&mut Vec<u8>) -> Option<()>,
) -> Outcome {
    let packet = message(host, helper, ctx)?;
    let (world, memory) = host.parts();
    let mut bytes = packet.bytes(memory)?;
    if edit(&mut bytes).is_none() {
        return answer(Err(Errno::EINVAL));
    }
    if let Some(packet) = &mut world.packet {
        packet.replace(memory, &bytes).map_err(|_| Trap::Memory)?;
    }
    world.packet_moved();
    let layout = crate::context::Layout::named("sk_msg_md");
    if let Some(field) = layout.and_then(|layout| layout.field("size")) {
        let size = memory.endian().put_u32(bytes.len() as u32);
        memory.write_owned(world.running.context + u64::from(field.offset), &size)?;
    }
    Ok(0)
}

pub fn pull_data(host: &mut dyn Host, [ctx, start, end, flags, _]: [u64; 5]) -> Outcome {
    edit(host, id::MSG_PULL_DATA, ctx, |bytes| {
        let inside = start < end && end <= bytes.len() as u64;
        (inside && flags == 0).then_some(())
    })
}

pub fn push_data(host: &mut dyn Host, [ctx, start, len, flags, _]: [u64; 5]) -> Outcome {
    edit(host, id::MSG_PUSH_DATA, ctx, |bytes| {
        let fits = start <= bytes.len() as u64 && len <= 65535 && flags == 0;
        fits.then(|| {
            let at = start as usize;
            bytes.splice(at..at, std::iter::repeat_n(0, len as usize));
        })
    })
}

pub fn pop_data(host: &mut dyn Host, [ctx, start, len, flags, _]: [u64; 5]) -> Outcome {
    edit(host, id::MSG_POP_DATA, ctx, |bytes| {
        let end = start.checked_add(len)?;
        (end <= bytes.len() as u64 && flags == 0).then(|| {
            bytes.drain(start as usize..end as usize);
        })
    })
}

/// Text of the sysctl into the program's room.
fn sysctl(host: &mut dyn Host, helper: u32, arguments: [u64; 5], text: Option<Vec<u8>>) -> Outcome {
    let [ctx, to, room, ..] = arguments;
    context(host, helper, ctx)?;
    let room = size(helper, room)?;
    let (_, memory) = host.parts();
    let Some(text) = text else {
        memory.write(to, &vec![0; room])?;
        return answer(Err(Errno::EINVAL));
    };
    if room == 0 {
        return answer(Err(Errno::E2BIG));
    }
    let fits = text.len() < room;
    let mut bytes = text[..text.len().min(room - 1)].to_vec();
    let len = bytes.len() as u64;
    bytes.resize(room, 0);
    memory.write(to, &bytes)?;
    answer(if fits { Ok(len) } else { Err(Errno::E2BIG) })
}

pub fn sysctl_name(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    let name = world_of(host).sysctl.name.clone();
    let text = match arguments[3] {
        // `BPF_F_SYSCTL_BASE_NAME`
        1 => name.rsplit('/').next().unwrap_or_default().to_owned(),
        0 => name,
        _ => return answer(Err(Errno::EINVAL)),
    };
    sysctl(
        host,
        id::SYSCTL_GET_NAME,
        arguments,
        Some(text.into_bytes()),
    )
}

pub fn sysctl_current(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    let text = world_of(host).sysctl.current.clone();
    sysctl(host, id::SYSCTL_GET_CURRENT_VALUE, arguments, Some(text))
}

pub fn sysctl_new(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    let text = world_of(host).sysctl.new.clone();
    sysctl(host, id::SYSCTL_GET_NEW_VALUE, arguments, text)
}

pub fn sysctl_set_new(host: &mut dyn Host, [ctx, from, len, ..]: [u64; 5]) -> Outcome {
    let helper = id::SYSCTL_SET_NEW_VALUE;
    context(host, helper, ctx)?;
    let len = size(helper, len)?;
    let (world, memory) = host.parts();
    let bytes = memory.bytes(from, len)?;
    if world.sysctl.new.is_none() || len == 0 {
        return answer(Err(Errno::EINVAL));
    }
    world.sysctl.new = Some(bytes);
    Ok(0)
}
