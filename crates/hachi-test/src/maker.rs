//! Which process made something.

/// The process that made something that outlives it, and is the one to remove it. A child made by
/// fork(2) has a copy of the value, and leaves it alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maker(u32);

impl Maker {
    /// This process.
    pub(crate) fn this() -> Self {
        Maker(std::process::id())
    }

    /// Whether this process is the one.
    pub(crate) fn is_this(self) -> bool {
        self.0 == std::process::id()
    }
}
