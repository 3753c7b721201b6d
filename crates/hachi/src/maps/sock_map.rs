//! `BPF_MAP_TYPE_SOCKMAP`, `BPF_MAP_TYPE_SOCKHASH`, `BPF_MAP_TYPE_REUSEPORT_SOCKARRAY` and
//! `BPF_MAP_TYPE_XSKMAP`: sockets.

use std::{
    borrow::{Borrow, BorrowMut},
    os::fd::AsFd,
};

use super::{ElementFlags, Keys, MapData, MapError, MapType, Unsuitable, view::conversions};
use crate::Pod;
use crate::fd::MapFd;

/// The checks of maps of sockets: 4 bytes for the descriptor, or 8, with which user space reads
/// back the socket's cookie.
fn check<K: Pod>(
    map: &MapData,
    kinds: &'static [MapType],
    view: &'static str,
) -> Result<(), MapError> {
    map.check_kind(kinds, view)?;
    match map.value_size() {
        8 => map.check::<K, [u8; 8]>(kinds, view),
        _ => map.check::<K, [u8; 4]>(kinds, view),
    }
}

fn cookie<K: Pod>(map: &MapData, key: &K) -> Result<Option<u64>, MapError> {
    if map.value_size() != 8 {
        return Err(MapError::Unsuitable {
            name: map.name().to_owned(),
            reason: Unsuitable::NoRoomForCookie,
        });
    }
    map.get(key, ElementFlags::ANY)
}

macro_rules! indexed {
    ($(#[$doc:meta])* $view:ident: $kind:ident, $(#[$set:meta])*) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $view<T> {
            inner: T,
        }

        impl<T: Borrow<MapData>> $view<T> {
            /// The view of a map that anything holds: a [`MapData`], a reference to one, an `Arc`.
            ///
            /// # Errors
            /// [`MapError`] that says what is different when the map is of another kind, or has
            /// other keys or values.
            pub fn new(map: T) -> Result<Self, MapError> {
                check::<u32>(map.borrow(), &[MapType::$kind], stringify!($view))?;
                Ok($view { inner: map })
            }

            /// The map itself: its name, its description, pinning.
            pub fn map(&self) -> &MapData {
                self.inner.borrow()
            }

            /// The map's descriptor, which programs that work on its sockets are attached to.
            pub fn fd(&self) -> &MapFd {
                self.map().fd()
            }

            /// All indices, filled or not.
            pub fn indices(&self) -> Keys<'_, u32> {
                Keys::alone(self.map())
            }
        }

        impl<T: BorrowMut<MapData>> $view<T> {
            $(#[$set])*
            ///
            /// `flags`: 0, [`ElementFlags::NO_EXIST`] or [`ElementFlags::EXIST`].
            ///
            /// # Errors
            /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses:
            /// a socket of a kind or in a state that the map does not take.
            pub fn set(
                &mut self,
                index: u32,
                socket: impl AsFd,
                flags: impl Into<ElementFlags>,
            ) -> Result<(), MapError> {
                self.map().check_index(index)?;
                self.map().put_fd(&index, socket.as_fd(), flags.into())
            }

            /// Empties `index`.
            ///
            /// # Errors
            /// [`MapError::OutOfBounds`], and what the kernel refuses: an empty index, which is
            /// [`MapError::KeyNotFound`] or `EINVAL`, by the kind of map.
            pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
                self.map().check_index(*index)?;
                self.map().remove(index)
            }
        }

        conversions!($view);
    };
}

indexed! {
    /// Sockets by index: TCP connections and, since Linux 5.7, UDP sockets, to be looked up,
    /// redirected to (`bpf_sk_redirect_map`, `bpf_msg_redirect_map`) and worked on by `sk_skb` and
    /// `sk_msg` programs attached to the map. Linux ≥ 4.14.
    SockMap: Sockmap,
    /// Puts a socket at `index`. A socket leaves the map when it is closed.
}

indexed! {
    /// Sockets that share an address (`SO_REUSEPORT`), of which a program chooses one for each
    /// packet (`bpf_sk_select_reuseport`). Linux ≥ 4.19.
    ReusePortSockArray: ReuseportSockarray,
    /// Puts a bound socket at `index`.
}

indexed! {
    /// `AF_XDP` sockets that XDP programs hand packets to (`bpf_redirect_map`), usually by receive
    /// queue. Linux ≥ 4.18.
    XskMap: Xskmap,
    /// Puts an `AF_XDP` socket at `index`.
}

impl<T: Borrow<MapData>> SockMap<T> {
    /// The cookie (`SO_COOKIE`) of the socket at `index`; `None` when there is none. Linux ≥ 5.8,
    /// and the map must have values of 8 bytes.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::Unsuitable`] for values of 4 bytes, and what the
    /// kernel refuses.
    pub fn cookie(&self, index: u32) -> Result<Option<u64>, MapError> {
        self.map().check_index(index)?;
        cookie(self.map(), &index)
    }
}

impl<T: Borrow<MapData>> ReusePortSockArray<T> {
    /// The cookie (`SO_COOKIE`) of the socket at `index`; `None` when there is none. The map must
    /// have values of 8 bytes.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::Unsuitable`] for values of 4 bytes, and what the
    /// kernel refuses.
    pub fn cookie(&self, index: u32) -> Result<Option<u64>, MapError> {
        self.map().check_index(index)?;
        cookie(self.map(), &index)
    }
}

/// Sockets by key; otherwise as [`SockMap`]. Linux ≥ 4.18.
///
/// ```no_run
/// use hachi::maps::SockHash;
/// use std::net::TcpStream;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let mut sockets: SockHash<_, u16> = SockHash::try_from(ebpf.map_mut("SOCKETS")?)?;
/// let socket = TcpStream::connect("127.0.0.1:7000")?;
/// sockets.insert(7000, &socket, 0)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SockHash<T, K: Pod> {
    inner: T,
    _key: std::marker::PhantomData<K>,
}

impl<T: Borrow<MapData>, K: Pod> SockHash<T, K> {
    /// The view of a map that anything holds: a [`MapData`], a reference to one, an `Arc`.
    ///
    /// # Errors
    /// [`MapError`] that says what is different when the map is of another kind, or has
    /// other keys or values.
    pub fn new(map: T) -> Result<Self, MapError> {
        check::<K>(map.borrow(), &[MapType::Sockhash], "SockHash")?;
        Ok(SockHash {
            inner: map,
            _key: std::marker::PhantomData,
        })
    }

    /// The map itself: its name, its description, pinning.
    pub fn map(&self) -> &MapData {
        self.inner.borrow()
    }

    /// The map's descriptor, which programs that work on its sockets are attached to.
    pub fn fd(&self) -> &MapFd {
        self.map().fd()
    }

    /// All keys. See [`Iter`](super::Iter) for what happens when the map changes meanwhile.
    pub fn keys(&self) -> impl Iterator<Item = Result<K, MapError>> + '_ {
        Keys::alone(self.map())
    }

    /// The cookie (`SO_COOKIE`) of the socket under `key`; `None` when there is none. Linux ≥ 5.8,
    /// and the map must have values of 8 bytes.
    ///
    /// # Errors
    /// [`MapError::Unsuitable`] for values of 4 bytes, and what the kernel refuses.
    pub fn cookie(&self, key: &K) -> Result<Option<u64>, MapError> {
        cookie(self.map(), key)
    }
}

impl<T: BorrowMut<MapData>, K: Pod> SockHash<T, K> {
    /// Puts a socket under `key`; as [`SockMap::set`].
    ///
    /// # Errors
    /// [`MapError::InvalidFlags`], and what the kernel refuses: a socket of a kind or in a state
    /// that the map does not take, `E2BIG` when it is full.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        socket: impl AsFd,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map()
            .put_fd(key.borrow(), socket.as_fd(), flags.into())
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.map().remove(key)
    }
}

conversions!(SockHash<K>);
