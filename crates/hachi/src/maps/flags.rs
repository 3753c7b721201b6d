//! Flags of operations on elements.

use hachi_obj::flags::{BPF_ANY, BPF_EXIST, BPF_F_ALL_CPUS, BPF_F_CPU, BPF_F_LOCK, BPF_NOEXIST};
use std::{fmt, ops};

/// How an element is read or written: the `BPF_…` flags of the map commands of bpf(2)
/// (`include/uapi/linux/bpf.h`).
///
/// Every operation takes `impl Into<ElementFlags>`, so a number does as well: `0` is
/// [`ANY`](Self::ANY), and the kernel's own numbers mean what they mean there.
///
/// ```no_run
/// # use hachi::maps::{ElementFlags, HashMap, MapData, MapError};
/// # fn f(mut ports: HashMap<MapData, u16, u8>) -> Result<(), MapError> {
/// ports.insert(22, 1, 0)?;
/// ports.insert(23, 1, ElementFlags::NO_EXIST)?;
/// # Ok(()) }
/// ```
///
/// Each operation takes some of the flags, which its documentation names. Others are refused with
/// [`MapError::InvalidFlags`](super::MapError::InvalidFlags) before the kernel is asked. So are
/// numbers that have no name here: a flag that a newer kernel has could change how many bytes it
/// reads or writes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ElementFlags(u64);

impl ElementFlags {
    /// `BPF_ANY`: no flag. A write creates the element or replaces its value.
    pub const ANY: Self = ElementFlags(BPF_ANY);
    /// `BPF_NOEXIST`: only create the element; an error (`EEXIST`) if it is there.
    pub const NO_EXIST: Self = ElementFlags(BPF_NOEXIST);
    /// `BPF_EXIST`: only replace the value; an error (`ENOENT`) if the element is not there. For
    /// [`Queue`](super::Queue) and [`Stack`](super::Stack): if there is no room, drop the oldest
    /// value.
    pub const EXIST: Self = ElementFlags(BPF_EXIST);
    /// `BPF_F_LOCK`: read or write under the spin lock (`struct bpf_spin_lock`) that the value
    /// contains. Linux ≥ 5.1.
    pub const LOCK: Self = ElementFlags(BPF_F_LOCK);
    /// `BPF_F_CPU`: the value of one CPU, whose number is in the upper half.
    const CPU: u64 = BPF_F_CPU;
    /// `BPF_F_ALL_CPUS`: one value for all CPUs.
    pub(super) const ALL_CPUS: Self = ElementFlags(BPF_F_ALL_CPUS);

    /// What writes take.
    pub(super) const WRITE: Self = ElementFlags(BPF_NOEXIST | BPF_EXIST | BPF_F_LOCK);

    const NAMES: [(u64, &'static str); 5] = [
        (Self::NO_EXIST.0, "BPF_NOEXIST"),
        (Self::EXIST.0, "BPF_EXIST"),
        (Self::LOCK.0, "BPF_F_LOCK"),
        (Self::CPU, "BPF_F_CPU"),
        (Self::ALL_CPUS.0, "BPF_F_ALL_CPUS"),
    ];

    /// The value of one CPU of a per-CPU map, by the methods that say so in their name.
    pub(super) fn on_cpu(cpu: u32) -> Self {
        ElementFlags(Self::CPU | u64::from(cpu) << 32)
    }

    /// The kernel's numbers.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether all flags of `other` are set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl ops::BitOr for ElementFlags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        ElementFlags(self.0 | other.0)
    }
}

/// The kernel's numbers, as constants named `BPF_…` have them. Which of them an operation takes is
/// checked when they are used.
impl From<u64> for ElementFlags {
    #[inline]
    fn from(bits: u64) -> Self {
        ElementFlags(bits)
    }
}

/// The kernel's names: `BPF_NOEXIST | BPF_F_LOCK`; a number for what has no name; `0` for none.
impl fmt::Display for ElementFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut separator = "";
        for (bit, name) in Self::NAMES {
            if self.0 & bit != 0 {
                write!(f, "{separator}{name}")?;
                rest &= !bit;
                separator = " | ";
            }
        }
        match rest {
            0 if separator.is_empty() => write!(f, "0"),
            0 => Ok(()),
            rest => write!(f, "{separator}{rest:#x}"),
        }
    }
}

impl fmt::Debug for ElementFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ElementFlags({self})")
    }
}

/// What is done with an element of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading its value.
    Lookup,
    /// Reading its value and removing it, in one step.
    Take,
    /// Setting its value.
    Update,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Lookup => "a lookup",
            Operation::Take => "taking an element",
            Operation::Update => "an update",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels() {
        let text = |flags: u64| ElementFlags::from(flags).to_string();
        assert_eq!(text(0), "0");
        assert_eq!(text(1 | 4), "BPF_NOEXIST | BPF_F_LOCK");
        assert_eq!(text(0x42), "BPF_EXIST | 0x40");
        assert_eq!(text(0x40), "0x40");
        assert_eq!(
            format!("{:?}", ElementFlags::EXIST),
            "ElementFlags(BPF_EXIST)"
        );
    }

    #[test]
    fn numbers_and_names_mean_the_same() {
        fn bits(flags: impl Into<ElementFlags>) -> u64 {
            flags.into().bits()
        }
        assert_eq!(bits(0), 0);
        assert_eq!(bits(2), bits(ElementFlags::EXIST));
        assert_eq!(
            bits(ElementFlags::NO_EXIST | ElementFlags::LOCK),
            bits(1 | 4)
        );
        assert_eq!(ElementFlags::on_cpu(3).bits(), 8 | 3 << 32);
    }
}
