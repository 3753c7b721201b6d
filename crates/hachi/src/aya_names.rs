//! Second names for what has another name here: names of Aya's, and our own of earlier versions.
//!
//! They are all in this module, and hidden from the documentation; where users of them look, they
//! are re-exported. Each thing has one documented name. Aya's own API, exactly, is what the façade
//! crates in `compat/` are for.

use crate::{EbpfLoader, GlobalData};

pub mod root {
    //! At the root of the crate.

    /// Renamed to [`Ebpf`](crate::Ebpf).
    #[doc(hidden)]
    #[deprecated(note = "renamed to `Ebpf`")]
    pub type Bpf = crate::Ebpf;

    /// Renamed to [`EbpfLoader`](crate::EbpfLoader).
    #[doc(hidden)]
    #[deprecated(note = "renamed to `EbpfLoader`")]
    pub type BpfLoader = crate::EbpfLoader;

    /// Renamed to [`EbpfError`](crate::EbpfError).
    #[doc(hidden)]
    #[deprecated(note = "renamed to `EbpfError`")]
    pub type BpfError = crate::EbpfError;

    /// Renamed to [`EbpfLogger`](crate::EbpfLogger).
    #[doc(hidden)]
    #[deprecated(note = "renamed to `EbpfLogger`")]
    pub type BpfLogger = crate::EbpfLogger;
}

impl EbpfLoader {
    /// Renamed to [`override_global`](Self::override_global).
    #[doc(hidden)]
    #[deprecated(note = "renamed to `override_global`")]
    pub fn set_global<'a, V: Into<GlobalData<'a>>>(
        &mut self,
        name: &str,
        value: V,
        must_exist: bool,
    ) -> &mut Self {
        self.override_global(name, value, must_exist)
    }

    /// Renamed to [`map_max_entries`](Self::map_max_entries).
    #[doc(hidden)]
    #[deprecated(note = "renamed to `map_max_entries`")]
    pub fn set_max_entries(&mut self, name: &str, max_entries: u32) -> &mut Self {
        self.map_max_entries(name, max_entries)
    }
}

pub mod maps {
    //! In [`crate::maps`].

    use crate::maps::ElementFlags;

    /// [`ElementFlags::ANY`].
    #[doc(hidden)]
    pub const BPF_ANY: u64 = ElementFlags::ANY.bits();
    /// [`ElementFlags::NO_EXIST`].
    #[doc(hidden)]
    pub const BPF_NOEXIST: u64 = ElementFlags::NO_EXIST.bits();
    /// [`ElementFlags::EXIST`].
    #[doc(hidden)]
    pub const BPF_EXIST: u64 = ElementFlags::EXIST.bits();
    /// [`ElementFlags::LOCK`].
    #[doc(hidden)]
    pub const BPF_F_LOCK: u64 = ElementFlags::LOCK.bits();
}
