//! Step 2: the object's types.

use std::{os::fd::OwnedFd, sync::Arc};

use hachi_btf::{BtfBuilder, StringTable, ext::pack_line};
use hachi_obj::{Endian, Spec};

use crate::{features, rights::Rights, sys::bpf};

/// The object's types in the kernel, and what programs refer to them with.
#[derive(Debug, Default)]
pub(super) struct ObjectBtf {
    pub(super) fd: Option<Arc<OwnedFd>>,
    /// For each program by name: `func_info` and `line_info` records as the kernel reads them.
    debug: DebugInfos,
    /// Why the kernel has no types of ours although the object has some.
    pub(super) problem: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct DebugInfo {
    pub(super) func_info: Vec<u8>,
    pub(super) line_info: Vec<u8>,
}

/// By the program's name.
type DebugInfos = Vec<(String, DebugInfo)>;

pub(super) const FUNC_INFO_SIZE: u32 = 8;
pub(super) const LINE_INFO_SIZE: u32 = 16;

impl ObjectBtf {
    /// Step 2. Takes the types out of the Spec: they are not needed again.
    ///
    /// Types help (names in dumps, source lines in logs) but little depends on them, so a kernel
    /// that refuses them is no error here. What does depend on them will fail and mention the
    /// problem.
    pub(super) fn load(spec: &mut Spec, rights: &Rights) -> Self {
        let Some(mut types) = spec.btf.take() else {
            return ObjectBtf::default();
        };
        let mut sanitized = false;
        if !spec.externs.is_empty() {
            // No kernel takes functions of extern linkage.
            hachi_btf::sanitize(&mut types, &hachi_btf::Features::default());
        }
        loop {
            let (bytes, debug) = match encode(&types, spec) {
                Ok(encoded) => encoded,
                Err(error) => {
                    return ObjectBtf::without(format!("the object's BTF is unusable: {error}"));
                }
            };
            let loaded = |fd| ObjectBtf {
                fd: Some(Arc::new(fd)),
                debug,
                problem: None,
            };
            let error = match rights.btf_load(&bytes, None) {
                Ok(fd) => return loaded(fd),
                Err(error) => error,
            };
            if error.errno() == libc::EINVAL
                && !sanitized
                && features::BTF.is_supported_with(rights)
            {
                hachi_btf::sanitize(&mut types, &kernel_btf_features(rights));
                sanitized = true;
                continue;
            }
            let mut log = vec![0; 16 * 1024];
            let text = match rights.btf_load(&bytes, Some(&mut log)) {
                Ok(fd) => return loaded(fd),
                Err(_) => bpf::name_text(&log),
            };
            let problem = format!("the kernel refused the object's BTF: {error}");
            return ObjectBtf::without(match last_type(&text) {
                Some(last) => format!("{problem}; its last words: {last:?}"),
                None => problem,
            });
        }
    }

    fn without(problem: String) -> Self {
        log::warn!("{problem}");
        ObjectBtf {
            problem: Some(problem),
            ..Default::default()
        }
    }

    pub(super) fn debug(&self, program: &str) -> Option<&DebugInfo> {
        self.debug
            .iter()
            .find(|(name, _)| name == program)
            .map(|(_, debug)| debug)
    }
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

fn kernel_btf_features(rights: &Rights) -> hachi_btf::Features {
    hachi_btf::Features {
        func: features::BTF_FUNC.is_supported_with(rights),
        datasec: features::BTF_DATASEC.is_supported_with(rights),
        func_global: features::BTF_FUNC_GLOBAL.is_supported_with(rights),
        float: features::BTF_FLOAT.is_supported_with(rights),
        decl_tag: features::BTF_DECL_TAG.is_supported_with(rights),
        type_tag: features::BTF_TYPE_TAG.is_supported_with(rights),
        enum64: features::BTF_ENUM64.is_supported_with(rights),
        qmark_datasec: features::BTF_QMARK_DATASEC.is_supported_with(rights),
    }
}

/// The types as bytes, with the strings of all line information among theirs, and the records that
/// refer to both.
fn encode(types: &BtfBuilder, spec: &Spec) -> Result<(Vec<u8>, DebugInfos), hachi_btf::Error> {
    let mut strings = StringTable::new();
    let mut all = Vec::with_capacity(spec.programs.len());
    for program in &spec.programs {
        let mut debug = DebugInfo::default();
        for info in &program.func_info {
            debug
                .func_info
                .extend_from_slice(&info.insn_off.to_ne_bytes());
            debug
                .func_info
                .extend_from_slice(&info.type_id.to_ne_bytes());
        }
        for line in &program.line_info {
            for word in [
                line.insn_off,
                strings.add(&line.file),
                strings.add(&line.text),
                pack_line(line.line, line.column),
            ] {
                debug.line_info.extend_from_slice(&word.to_ne_bytes());
            }
        }
        all.push((program.name.clone(), debug));
    }
    Ok((types.encode_with(&mut strings, Endian::NATIVE)?, all))
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
