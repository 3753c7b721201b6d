//! Just enough rtnetlink to attach, detach and query XDP programs and classifiers.
//!
//! Written by hand rather than with netlink-packet-route: that crate and what it needs (a derive
//! macro on syn among others) take 37 s to build in release mode on two cores (measured, version
//! 0.34), almost twice what a whole user workspace may take here, for the few messages below.
//!
//! Sources: `man 7 rtnetlink`, `include/uapi/linux/{netlink,rtnetlink}.h`.

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod tc;
mod xdp;

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

pub(crate) use self::{
    tc::{Filter, FilterPlace},
    xdp::XdpState,
};
use super::{
    errno::SyscallError,
    generated::system::{NLA_TYPE_MASK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSGERR_ATTR_MSG},
};

/// Length of `struct nlmsghdr`.
const NLMSG_HEADER: usize = 16;

/// A rtnetlink socket. It belongs to the network namespace of the thread that opened it, forever:
/// a link made through it can be undone from any thread.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    pub(crate) fn open() -> Result<Self, SyscallError> {
        // SAFETY: a plain call without pointers.
        let fd = unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                libc::NETLINK_ROUTE,
            )
        };
        if fd < 0 {
            return Err(SyscallError::last("netlink socket"));
        }
        // SAFETY: the descriptor was just made and is nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // Both options only improve error messages; kernels before 4.12 do without.
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let on: libc::c_int = 1;
            // SAFETY: the option value is a live int and its size is given.
            unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_NETLINK,
                    option,
                    ptr::from_ref(&on).cast(),
                    size_of::<libc::c_int>() as libc::socklen_t,
                );
            }
        }
        Ok(Netlink { socket })
    }

    /// Sends one request and reads until its acknowledgement or the end of the dump; `on_answer`
    /// gets the payload of each message of kind `answers`.
    fn exchange(
        &self,
        call: &'static str,
        request: &[u8],
        answers: u16,
        on_answer: &mut dyn FnMut(&[u8]),
    ) -> Result<(), SyscallError> {
        let fd = self.socket.as_raw_fd();
        // SAFETY: the buffer is live and its length given.
        let sent = unsafe { libc::send(fd, request.as_ptr().cast(), request.len(), 0) };
        if sent < 0 {
            return Err(SyscallError::last(call));
        }
        // The kernel never puts more than 32 KiB into one read of a dump.
        let mut buffer = vec![0u8; 32 * 1024];
        // What was asked for is done by now: without its answer nobody would know what to undo. So
        // a failure to read it (no memory, a signal) is not the end.
        let mut attempts = 8;
        loop {
            // SAFETY: the buffer is live, writable and its length given.
            let got = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let Ok(got) = usize::try_from(got) else {
                let error = io::Error::last_os_error();
                attempts -= 1;
                if attempts > 0 || error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(SyscallError::new(call, error));
            };
            let reply = &buffer[..got.min(buffer.len())];
            if let Some(end) = read_reply(call, reply, answers, on_answer) {
                return end;
            }
        }
    }
}

/// Reads the messages of one reply; gives how the exchange ends, unless more replies follow.
fn read_reply(
    call: &'static str,
    mut reply: &[u8],
    answers: u16,
    on_answer: &mut dyn FnMut(&[u8]),
) -> Option<Result<(), SyscallError>> {
    while let Some((header, payload, next)) = split_message(reply) {
        reply = next;
        match i32::from(header.kind) {
            libc::NLMSG_DONE => return Some(Ok(())),
            libc::NLMSG_ERROR => return Some(acknowledgement(call, header, payload)),
            kind if kind == i32::from(answers) => on_answer(payload),
            _ => {}
        }
    }
    None
}

/// A request under construction; lengths are patched in as parts end.
struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// `fixed` is the struct before the attributes.
    fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]); // the length, set by `finish`
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
        // Sequence number and port: one request at a time needs none.
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        Request { bytes }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        // Values here are numbers and names: far from the 64 KiB that a length can say.
        let length = (4 + value.len()) as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn nested(&mut self, kind: u16, fill: &dyn Fn(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes
            .extend_from_slice(&(kind | libc::NLA_F_NESTED as u16).to_ne_bytes());
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn finish(&mut self) -> &[u8] {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        &self.bytes
    }
}

#[derive(Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The first message of a reply: header, payload, and what follows.
fn split_message(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let length = u32_at(bytes, 0)? as usize;
    let header = Header {
        kind: u16_at(bytes, 4)?,
        flags: u16_at(bytes, 6)?,
    };
    let payload = bytes.get(NLMSG_HEADER..length)?;
    Some((
        header,
        payload,
        bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]),
    ))
}

/// The attributes of a message or of a nested attribute; stops at the first malformed one.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// Reads NLMSG_ERROR: zero is success, else a negative errno and, from kernels that have it, a
/// sentence.
fn acknowledgement(call: &'static str, header: Header, payload: &[u8]) -> Result<(), SyscallError> {
    let errno = u32_at(payload, 0).map_or(libc::EBADMSG, |code| (code as i32).wrapping_neg());
    if errno == 0 {
        return Ok(());
    }
    let mut text = None;
    if header.flags & NLM_F_ACK_TLVS != 0 {
        // The request comes back first: its header alone if "capped", else all of it.
        let echoed = if header.flags & NLM_F_CAPPED != 0 {
            NLMSG_HEADER
        } else {
            u32_at(payload, 4).unwrap_or(0) as usize
        };
        let tlvs = payload.get(4 + echoed..).unwrap_or(&[]);
        text = attributes(tlvs)
            .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
            .map(|(_, message)| super::bpf::name_text(message));
    }
    Err(SyscallError::with_note(call, errno, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_replies_end_quietly() {
        assert!(split_message(&[]).is_none());
        assert!(split_message(&[200, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_none());
        assert!(split_message(&[4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_none());
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[0, 0, 0, 0]).count(), 0);
        let header = Header {
            kind: 2,
            flags: NLM_F_ACK_TLVS,
        };
        assert!(acknowledgement("test", header, &[]).is_err());
        assert!(acknowledgement("test", header, &[0xf0, 0xff, 0xff, 0xff]).is_err());
    }

    /// An answer of the kernel's, shortened and with bytes changed.
    #[test]
    fn damaged_replies_are_survived() {
        let netlink = Netlink::open().unwrap();
        let mut reply = Vec::new();
        let mut request = Request::new(libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; 16]);
        let kept = &mut |payload: &[u8]| {
            let length = (NLMSG_HEADER + payload.len()) as u32;
            reply.extend_from_slice(&length.to_ne_bytes());
            reply.extend_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
            reply.extend_from_slice(&[0; 10]);
            reply.extend_from_slice(payload);
            reply.resize(reply.len().next_multiple_of(4), 0);
        };
        netlink
            .exchange("test", request.finish(), libc::RTM_NEWLINK, kept)
            .unwrap();
        let mut names = Vec::new();
        let end = read_reply("test", &reply, libc::RTM_NEWLINK, &mut |payload| {
            names.extend(XdpState::parse(payload).map(|state| state.if_name));
        });
        assert!(
            end.is_none() && names.contains(&"lo".to_owned()),
            "{names:?}"
        );
        for length in 0..reply.len() {
            fuzz::replies(&reply[..length]);
            let old = std::mem::replace(&mut reply[length], 0xff);
            fuzz::replies(&reply);
            reply[length] = old;
        }
    }

    #[test]
    fn reads_the_kernels_sentence() {
        let mut payload = (-libc::EBUSY).to_ne_bytes().to_vec();
        payload.extend_from_slice(&[0; NLMSG_HEADER]);
        payload.extend_from_slice(&[12, 0, 1, 0]);
        payload.extend_from_slice(b"no way\0\0");
        let header = Header {
            kind: 2,
            flags: NLM_F_ACK_TLVS | NLM_F_CAPPED,
        };
        let error = acknowledgement("test", header, &payload).unwrap_err();
        assert_eq!(error.errno(), libc::EBUSY);
        assert_eq!(error.meaning(), Some("no way"));
    }
}
