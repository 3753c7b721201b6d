//! Step 2: the object's types.

use std::{fmt, os::fd::OwnedFd, sync::Arc};

use hachi_btf::{BtfBuilder, StringTable};
use hachi_obj::{OwnedBtf, Spec};

use crate::{
    features,
    rights::Rights,
    sys::{bpf, errno::SyscallError},
};

/// The object's types, and those that the kernel has of them.
#[derive(Debug, Default)]
pub(super) struct ObjectBtf {
    pub(super) types: Option<OwnedBtf>,
    pub(super) fd: Option<Arc<OwnedFd>>,
    /// Why the kernel has no types of ours although the object has some.
    pub(super) problem: Option<BtfProblem>,
}

impl ObjectBtf {
    /// Step 2.
    ///
    /// Types help (names in dumps, source lines in logs) but little depends on them, so a kernel
    /// that refuses them is not an error here. What does depend on them will fail and mention the
    /// problem.
    pub(super) fn load(spec: &Spec, rights: &Rights) -> Self {
        let Some(types) = &spec.btf else {
            return ObjectBtf::default();
        };
        let (fd, problem) = match load(types, rights) {
            Ok(fd) => (Some(Arc::new(fd)), None),
            Err(problem) => {
                log::warn!("{problem}");
                (None, Some(problem))
            }
        };
        ObjectBtf {
            types: Some(types.clone()),
            fd,
            problem,
        }
    }
}

/// Why the kernel has no types of an object although the object has some.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BtfProblem {
    /// They cannot be changed into what this kernel knows.
    Unusable(hachi_btf::Error),
    /// The kernel refused them.
    Refused {
        /// Its answer.
        error: Arc<SyscallError>,
        /// What its log ends with: the type that was refused (`[14] VAR …`), and why.
        last_words: Option<String>,
    },
}

impl fmt::Display for BtfProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BtfProblem::Unusable(error) => write!(f, "the object's BTF is unusable: {error}"),
            BtfProblem::Refused { error, last_words } => {
                write!(f, "the kernel refused the object's BTF: {error}")?;
                match last_words {
                    Some(last) => write!(f, "; its last words: {last:?}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for BtfProblem {}

/// Loads the types as they are, or as the kernel knows them.
fn load(types: &OwnedBtf, rights: &Rights) -> Result<OwnedFd, BtfProblem> {
    let error = match rights.btf_load(types.bytes(), None) {
        Ok(fd) => return Ok(fd),
        Err(error) => error,
    };
    let unusable = BtfProblem::Unusable;
    let sanitized;
    let (bytes, error) = if error.errno() == libc::EINVAL && features::BTF.is_supported_with(rights)
    {
        sanitized = sanitize(types, rights).map_err(unusable)?;
        match rights.btf_load(&sanitized, None) {
            Ok(fd) => return Ok(fd),
            Err(error) => (sanitized.as_slice(), error),
        }
    } else {
        (types.bytes(), error)
    };
    let mut log = vec![0; 16 * 1024];
    let text = match rights.btf_load(bytes, Some(&mut log)) {
        Ok(fd) => return Ok(fd),
        Err(_) => bpf::name_text(&log),
    };
    Err(BtfProblem::Refused {
        error: Arc::new(error),
        last_words: last_type(&text).map(str::to_owned),
    })
}

/// What the log of `BPF_BTF_LOAD` ends with: the type that was refused (`[14] VAR …`), and why.
fn last_type(log: &str) -> Option<&str> {
    let log = log.trim();
    let last = match log.rfind("\n[") {
        Some(at) => &log[at + 1..],
        // The header was refused, before any type.
        None => log.lines().last().unwrap_or_default(),
    };
    (!last.is_empty()).then_some(last)
}

/// The types without what the kernel does not know. Ids stay, and so do the strings that line
/// information refers to.
fn sanitize(types: &OwnedBtf, rights: &Rights) -> Result<Vec<u8>, hachi_btf::Error> {
    let types = types.types();
    let mut builder = BtfBuilder::from_btf(&types)?;
    hachi_btf::sanitize(&mut builder, &kernel_btf_features(rights));
    builder.encode_with(&mut StringTable::keeping(&types), types.endian())
}

fn kernel_btf_features(rights: &Rights) -> hachi_btf::Features {
    let mut known = hachi_btf::Features::default();
    for (known, feature) in [
        (&mut known.func, &features::BTF_FUNC),
        (&mut known.datasec, &features::BTF_DATASEC),
        (&mut known.func_global, &features::BTF_FUNC_GLOBAL),
        (&mut known.float, &features::BTF_FLOAT),
        (&mut known.decl_tag, &features::BTF_DECL_TAG),
        (&mut known.type_tag, &features::BTF_TYPE_TAG),
        (&mut known.enum64, &features::BTF_ENUM64),
        (&mut known.qmark_datasec, &features::BTF_QMARK_DATASEC),
    ] {
        *known = feature.is_supported_with(rights);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::last_type;

    #[test]
    fn the_last_type_of_a_log_is_the_one_that_was_refused() {
        let log = "magic: 0xeb9f\n[1] INT int size=4\n[2] VAR a\nb type_id=1 Invalid name\n";
        assert_eq!(last_type(log), Some("[2] VAR a\nb type_id=1 Invalid name"));
        assert_eq!(
            last_type("magic: 0xeb9f\nUnsupported version\n"),
            Some("Unsupported version")
        );
        assert_eq!(last_type(" \n"), None);
    }
}
