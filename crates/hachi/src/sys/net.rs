//! Names and indexes of network interfaces, in the calling thread's network namespace.

use std::ffi::{CStr, CString};

/// The index of the interface called `name`; `None` when there is none.
pub(crate) fn if_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is NUL-terminated.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => None,
        index => Some(index),
    }
}

/// The name of the interface with the given index; `None` when there is none.
pub(crate) fn if_name(index: u32) -> Option<String> {
    let mut buffer = [0 as libc::c_char; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes the function may write.
    let name = unsafe { libc::if_indextoname(index, buffer.as_mut_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: on success the buffer holds a NUL-terminated name.
    Some(
        unsafe { CStr::from_ptr(buffer.as_ptr()) }
            .to_string_lossy()
            .into_owned(),
    )
}

/// All interfaces by name. From the kernel rather than /sys/class/net, which shows the namespace it
/// was mounted in.
pub(crate) fn if_names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: the array returned is walked up to its terminator (index 0, null name) and freed
    // once.
    unsafe {
        let list = libc::if_nameindex();
        if list.is_null() {
            return names;
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
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there() {
        let index = if_index("lo").unwrap();
        assert_eq!(if_name(index).as_deref(), Some("lo"));
        assert!(if_names().contains(&"lo".to_owned()));
        assert_eq!(if_index("no-such-if0"), None);
        assert_eq!(if_index("nul\0inside"), None);
        assert_eq!(if_name(i32::MAX as u32), None);
    }
}
