//! Names and indexes of network interfaces, in the calling thread's network namespace.

use std::{
    ffi::{CStr, CString},
    io,
};

/// The index of the interface called `name`; `None` when there is none.
pub(crate) fn if_index(name: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    // SAFETY: the name is NUL-terminated.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => none(libc::ENODEV),
        index => Ok(Some(index)),
    }
}

/// The name of the interface with the given index; `None` when there is none.
pub(crate) fn if_name(index: u32) -> io::Result<Option<String>> {
    let mut buffer = [0 as libc::c_char; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes the function may write.
    let name = unsafe { libc::if_indextoname(index, buffer.as_mut_ptr()) };
    if name.is_null() {
        return none(libc::ENXIO);
    }
    // SAFETY: on success the buffer holds a NUL-terminated name.
    let name = unsafe { CStr::from_ptr(buffer.as_ptr()) };
    Ok(Some(name.to_string_lossy().into_owned()))
}

/// What a look-up has found that failed: nothing, if that is what the last error means.
fn none<T>(absent: libc::c_int) -> io::Result<Option<T>> {
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(absent) => Ok(None),
        error => Err(error),
    }
}

/// All interfaces by name. From the kernel rather than /sys/class/net, which shows the namespace it
/// was mounted in.
pub(crate) fn if_names() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    // SAFETY: the array returned is walked up to its terminator (index 0, null name) and freed
    // once.
    unsafe {
        let list = libc::if_nameindex();
        if list.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut entry = list;
        while (*entry).if_index != 0 && !(*entry).if_name.is_null() {
            names.push(
                CStr::from_ptr((*entry).if_name)
                    .to_string_lossy()
                    .into_owned(),
            );
            entry = entry.add(1);
        }
        libc::if_freenameindex(list);
    }
    Ok(names)
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
        assert_eq!(if_name(i32::MAX as u32).unwrap(), None);
    }
}
