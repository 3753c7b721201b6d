//! Error numbers of Linux, the same on every machine this runs on.

use std::fmt;

/// An error number, as helpers return it negated.
///
/// The numbers are those of `asm-generic/errno.h`, whatever the machine: a program compiled for
/// Linux compares with these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $number:literal)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub const $name: Errno = Errno($number);
            )*

            /// Its name; `None` for a number that no helper here returns.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1
    ENOENT = 2
    E2BIG = 7
    EBADF = 9
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    EINVAL = 22
    ENOSPC = 28
    ERANGE = 34
    EDEADLK = 35
    ENOSYS = 38
    ENOPROTOOPT = 92
    EOPNOTSUPP = 95
    EAFNOSUPPORT = 97
    ENOTSUPP = 524
}

impl Errno {
    /// What a helper returns: the negated number in 64 bits.
    pub fn result(self) -> u64 {
        (-i64::from(self.0)) as u64
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl std::error::Error for Errno {}
