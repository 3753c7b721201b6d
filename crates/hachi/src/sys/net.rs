//! Names and indexes of network interfaces, in the calling thread's network namespace.

use std::{
    ffi::CStr,
    io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

/// A socket to ask about interfaces with. (if_nametoindex(3) takes one, too, and tells anything but
/// why it got none.)
fn control() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the result is checked, and the descriptor is ours alone.
    unsafe {
        match libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// An interface request; `None` if the kernel does not know the interface.
fn ask(request: libc::Ioctl, ask: &mut libc::ifreq) -> io::Result<Option<()>> {
    let control = control()?;
    // SAFETY: SIOCGIFINDEX and SIOCGIFNAME read and write an `ifreq`, which lives through the call.
    match unsafe { libc::ioctl(control.as_raw_fd(), request, ptr::from_mut(ask)) } {
        0 => Ok(Some(())),
        _ => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => Ok(None),
            error => Err(error),
        },
    }
}

fn request() -> libc::ifreq {
    // SAFETY: plain old data, for which all zero is a value.
    unsafe { mem::zeroed() }
}

/// The index of the interface called `name`; `None` when there is none.
pub(crate) fn if_index(name: &str) -> io::Result<Option<u32>> {
    let mut wanted = request();
    // No interface has a longer name, or one with these in it; the kernel would read up to a colon.
    if name.len() >= wanted.ifr_name.len() || name.contains(['\0', ':']) {
        return Ok(None);
    }
    for (to, from) in wanted.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(
        ask(libc::SIOCGIFINDEX as libc::Ioctl, &mut wanted)?.and_then(|()| {
            // SAFETY: SIOCGIFINDEX writes this member.
            u32::try_from(unsafe { wanted.ifr_ifru.ifru_ifindex }).ok()
        }),
    )
}

/// The name of the interface with the given index; `None` when there is none.
pub(crate) fn if_name(index: u32) -> io::Result<Option<String>> {
    let mut wanted = request();
    let Ok(index) = libc::c_int::try_from(index) else {
        return Ok(None);
    };
    wanted.ifr_ifru.ifru_ifindex = index;
    let answer = ask(libc::SIOCGIFNAME as libc::Ioctl, &mut wanted)?;
    Ok(answer.map(|()| {
        let bytes = wanted.ifr_name.iter().map(|&byte| byte as u8);
        let name: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
        String::from_utf8_lossy(&name).into_owned()
    }))
}

/// All interfaces: index and name. From the kernel rather than /sys/class/net, which shows the
/// namespace it was mounted in.
pub(crate) fn interfaces() -> io::Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    // SAFETY: the array returned is walked up to its terminator (index 0, null name) and freed
    // once.
    unsafe {
        let list = libc::if_nameindex();
        if list.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut entry = list;
        while (*entry).if_index != 0 && !(*entry).if_name.is_null() {
            let name = CStr::from_ptr((*entry).if_name).to_string_lossy();
            found.push(((*entry).if_index, name.into_owned()));
            entry = entry.add(1);
        }
        libc::if_freenameindex(list);
    }
    Ok(found)
}

/// The names of all interfaces.
pub(crate) fn if_names() -> io::Result<Vec<String>> {
    Ok(interfaces()?.into_iter().map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there() {
        let index = if_index("lo").unwrap().unwrap();
        assert_eq!(if_name(index).unwrap().as_deref(), Some("lo"));
        assert!(if_names().unwrap().contains(&"lo".to_owned()));
        assert_eq!(if_index("no-such-if0").unwrap(), None);
        assert_eq!(if_index("nul\0inside").unwrap(), None);
        assert_eq!(if_index("lo:1").unwrap(), None);
        assert_eq!(if_index("").unwrap(), None);
        assert_eq!(if_index(&"l".repeat(16)).unwrap(), None);
        assert_eq!(if_name(0).unwrap(), None);
        assert_eq!(if_name(i32::MAX as u32).unwrap(), None);
    }
}
