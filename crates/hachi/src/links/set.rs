//! The links of a program.

use super::{LinkError, OwnedLink};

/// Names one attachment of a program. No two of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(u64);

impl LinkId {
    /// One that no attachment has.
    pub fn unique() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        LinkId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The links of one loaded program.
#[derive(Debug)]
pub(crate) struct Links(Vec<(LinkId, OwnedLink)>);

impl Links {
    pub(crate) const fn new() -> Self {
        Links(Vec::new())
    }

    pub(crate) fn insert(&mut self, link: OwnedLink) -> LinkId {
        let id = LinkId::unique();
        self.0.push((id, link));
        id
    }

    pub(crate) fn take(&mut self, id: LinkId) -> Result<OwnedLink, LinkError> {
        match self.0.iter().position(|(other, _)| *other == id) {
            Some(position) => Ok(self.0.remove(position).1),
            None => Err(LinkError::NotAttached),
        }
    }

    pub(crate) fn detach_all(&mut self) -> Result<(), LinkError> {
        // All of them, even if one fails; the first error is returned.
        let mut result = Ok(());
        for (_, link) in self.0.drain(..) {
            result = result.and(link.detach());
        }
        result
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (LinkId, OwnedLink)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{
        super::{Legacy, LegacyLink},
        *,
    };
    use crate::sys::errno::SyscallError;

    #[derive(Debug)]
    struct Fake(u64, Arc<Mutex<Vec<u64>>>);

    impl Legacy for Fake {
        fn undo(&mut self) -> Result<(), SyscallError> {
            self.1.lock().unwrap().push(self.0);
            Ok(())
        }
    }

    #[test]
    fn the_set_owns_until_taken() {
        let undone = Arc::new(Mutex::new(Vec::new()));
        let fake = |number| OwnedLink::from(LegacyLink::new(Fake(number, undone.clone())));
        let mut links = Links::new();
        let one = links.insert(fake(1));
        links.insert(fake(2));
        let taken = links.take(one).unwrap();
        assert!(undone.lock().unwrap().is_empty());
        assert!(matches!(links.take(one), Err(LinkError::NotAttached)));
        drop(links);
        assert_eq!(*undone.lock().unwrap(), [2]);
        drop(taken);
        assert_eq!(*undone.lock().unwrap(), [2, 1]);
        fake(3).detach().unwrap();
        assert_eq!(*undone.lock().unwrap(), [2, 1, 3], "once");
    }

    #[test]
    fn refuses_to_pin_links_that_end_with_the_process() {
        let undone = Arc::new(Mutex::new(Vec::new()));
        let link = OwnedLink::from(LegacyLink::new(Fake(1, undone.clone())));
        let error = link.pin("/nowhere").unwrap_err().to_string();
        assert!(
            error.contains("/nowhere") && error.contains("bpf_link"),
            "{error}"
        );
        assert_eq!(*undone.lock().unwrap(), [1]);
    }
}
