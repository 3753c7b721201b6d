//! Walking the kernel's id tables.

use crate::sys::errno::SyscallError;

/// Opens every object of one kind in id order. Objects that vanish between "next id" and "open" are
/// skipped.
pub(crate) fn each<T>(
    next: impl Fn(u32) -> Result<Option<u32>, SyscallError>,
    open: impl Fn(u32) -> Result<T, SyscallError>,
) -> impl Iterator<Item = Result<T, SyscallError>> {
    let mut position = Some(0);
    std::iter::from_fn(move || {
        loop {
            let id = match next(position?) {
                Ok(Some(id)) => id,
                Ok(None) => {
                    position = None;
                    return None;
                }
                Err(error) => {
                    position = None;
                    return Some(Err(error));
                }
            };
            position = Some(id);
            match open(id) {
                // EAGAIN: a link that has its id but is still being made (`bpf_link_by_id` in
                // `kernel/bpf/syscall.c`).
                Err(error) if matches!(error.errno(), libc::ENOENT | libc::EAGAIN) => {}
                result => return Some(result),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_the_vanished_and_stops_at_errors() {
        let error = |errno| SyscallError::with_note("test", errno, None);
        let next = |id| Ok((id < 3).then_some(id + 1));
        let open = |id| {
            if id == 2 {
                Err(error(libc::ENOENT))
            } else {
                Ok(id)
            }
        };
        assert_eq!(
            each(next, open).map(Result::unwrap).collect::<Vec<_>>(),
            [1, 3]
        );

        let next = |_| Err(error(libc::EPERM));
        let mut failing = each(next, Ok);
        assert!(failing.next().unwrap().is_err());
        assert!(failing.next().is_none());
    }
}
