//! Who was the last of this process to put something at a place that the kernel tells nothing
//! about.
//!
//! Whatever is undone must be one's own. Where the kernel can say what is at a place, it is asked
//! just before. The program of a socket, and an event in an array of events, it does not show: for
//! these, this process remembers. What another process has put there meanwhile cannot be seen.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::sys::socket::Group;

/// A place that takes one thing, whose next one pushes it out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// The filter of the socket with this cookie.
    Filter(u64),
    /// The program of the socket with this cookie, which shares its port with no other yet.
    LoneReuseport(u64),
    /// The program of sockets that share a port.
    Reuseport(Group),
    /// An element of an array of events, by the map's id.
    Event {
        /// The id of the map.
        map: u32,
        /// The element's number.
        index: u32,
    },
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    latest: HashMap<Place, u64>,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn table() -> MutexGuard<'static, Option<Table>> {
    // A thread that panicked was between two single steps.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that was put at a place.
#[derive(Debug)]
pub(crate) struct Ticket {
    place: Place,
    number: u64,
}

/// Does what puts something at a place, and notes that it was the last.
pub(crate) fn put<E>(place: Place, put: impl FnOnce() -> Result<(), E>) -> Result<Ticket, E> {
    let mut table = table();
    put()?;
    let table = table.get_or_insert_default();
    table.next += 1;
    let number = table.next;
    table.latest.insert(place.clone(), number);
    Ok(Ticket { place, number })
}

impl Ticket {
    /// Does what takes it away again or exchanges it, if nobody has put something else there, nor
    /// at the place that `moved_to` says its own has become a part of; else nothing, and `None`.
    pub(crate) fn if_latest<T>(
        &self,
        moved_to: Option<&Place>,
        work: impl FnOnce() -> T,
    ) -> Option<T> {
        let table = table();
        let latest = &table.as_ref()?.latest;
        let is_latest = latest.get(&self.place) == Some(&self.number)
            && moved_to.is_none_or(|place| *place == self.place || !latest.contains_key(place));
        is_latest.then(work)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // The table is this process's own: a child has a copy.
        if let Some(table) = &mut *table()
            && table.latest.get(&self.place) == Some(&self.number)
        {
            table.latest.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_of_a_place_is_undone() {
        let put = |place| super::put::<()>(place, || Ok(())).unwrap();
        let first = put(Place::Filter(u64::MAX));
        let elsewhere = put(Place::LoneReuseport(u64::MAX));
        assert_eq!(first.if_latest(None, || 1), Some(1));
        let second = put(Place::Filter(u64::MAX));
        assert_eq!(first.if_latest(None, || 1), None);
        assert_eq!(second.if_latest(None, || 2), Some(2));
        drop(second);
        assert_eq!(first.if_latest(None, || 1), None, "it is gone");
        assert_eq!(elsewhere.if_latest(None, || 3), Some(3));
        let joined = Place::Event {
            map: u32::MAX,
            index: 0,
        };
        assert_eq!(elsewhere.if_latest(Some(&joined), || 3), Some(3));
        let _other = put(joined.clone());
        assert_eq!(elsewhere.if_latest(Some(&joined), || 3), None);
        assert!(super::put(Place::Filter(0), || Err(())).is_err());
        assert!(
            !table()
                .as_ref()
                .unwrap()
                .latest
                .contains_key(&Place::Filter(0))
        );
    }
}
