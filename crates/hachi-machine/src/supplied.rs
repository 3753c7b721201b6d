//! Helpers and kernel functions that a test supplies.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{Host, Trap};

/// What the test gives in place of a helper or kernel function.
pub(crate) type Function = Arc<dyn Fn(&mut dyn Host, [u64; 5]) -> Result<u64, Trap> + Send + Sync>;

/// All that was supplied.
#[derive(Clone, Default)]
pub(crate) struct Supplied {
    helpers: BTreeMap<u32, Function>,
    kfuncs: BTreeMap<String, Function>,
}

impl Supplied {
    pub(crate) fn helper(
        &mut self,
        helper: u32,
        function: impl Fn(&mut dyn Host, [u64; 5]) -> Result<u64, Trap> + Send + Sync + 'static,
    ) {
        self.helpers.insert(helper, Arc::new(function));
    }

    pub(crate) fn kfunc(
        &mut self,
        name: &str,
        function: impl Fn(&mut dyn Host, [u64; 5]) -> Result<u64, Trap> + Send + Sync + 'static,
    ) {
        self.kfuncs.insert(name.to_owned(), Arc::new(function));
    }

    pub(crate) fn has_helpers(&self) -> bool {
        !self.helpers.is_empty()
    }

    /// The helper of this number, if one was supplied.
    pub(crate) fn of_helper(&self, helper: u32) -> Option<Function> {
        self.helpers.get(&helper).cloned()
    }

    /// The kernel function of this name, if one was supplied.
    pub(crate) fn of_kfunc(&self, name: &str) -> Option<Function> {
        self.kfuncs.get(name).cloned()
    }
}

impl fmt::Debug for Supplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supplied")
            .field("helpers", &self.helpers.keys())
            .field("kfuncs", &self.kfuncs.keys())
            .finish()
    }
}
