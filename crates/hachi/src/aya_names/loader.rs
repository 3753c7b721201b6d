//! Methods of the loader.

use crate::loader::{EbpfLoader, GlobalData};

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
