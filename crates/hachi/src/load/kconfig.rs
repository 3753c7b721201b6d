//! Kernel configuration options that programs read: the contents of map `.kconfig`.
//!
//! The kernel's configuration is looked for only if a program reads an option that the caller's own
//! text does not set.

use hachi_obj::{DataKind, Endian, Extern, ExternKind, Spec, kconfig};

use super::EbpfError;
use crate::{features, kallsyms, kernel_config, rights::Rights, version::KernelVersion};

/// An option that a program may not read, and why.
#[derive(Debug)]
pub(super) struct Unset {
    /// Its place in the map's value, in bytes.
    pub(super) offset: u32,
    /// A sentence.
    pub(super) reason: String,
}

/// Sets the initial contents of `.kconfig`. `given` is text of a configuration that goes before the
/// kernel's own.
///
/// Options that are weak are 0 where they are not set. The others are returned, since only the
/// programs that read them need them.
pub(super) fn fill(
    spec: &mut Spec,
    given: Option<&str>,
    rights: &Rights,
) -> Result<Vec<Unset>, EbpfError> {
    let map = spec
        .maps
        .iter_mut()
        .find(|map| map.data == Some(DataKind::Kconfig));
    let Some(map) = map else {
        return Ok(Vec::new());
    };
    let mut options = Options {
        pending: Vec::new(),
        value: vec![0; map.value_size as usize],
        unset: Vec::new(),
    };
    for option in &spec.externs {
        if let ExternKind::Kconfig { offset, .. } = option.kind {
            match option.name.starts_with("CONFIG_") {
                true => options.pending.push((offset, option)),
                false => options.set_virtual(offset, option, rights),
            }
        }
    }
    if let Some(text) = given {
        let applied = options.apply(text, "the given configuration");
        applied.map_err(|reason| EbpfError::KernelConfig { reason })?;
    }
    if !options.pending.is_empty() {
        let why = match kernel_config::read() {
            Ok(config) => match options.apply(&config.text, &config.source) {
                Ok(()) => format!("{} does not set it", config.source),
                Err(error) => format!("{}: {error}", config.source),
            },
            Err(error) => format!("the kernel's configuration cannot be read ({error})"),
        };
        options.give_up(&why);
    }
    map.contents = Some(options.value);
    Ok(options.unset)
}

struct Options<'s> {
    /// Those that have no value yet, with their places in the map's value.
    pending: Vec<(u32, &'s Extern)>,
    value: Vec<u8>,
    unset: Vec<Unset>,
}

impl<'s> Options<'s> {
    /// Sets what this configuration text sets.
    fn apply(&mut self, text: &str, source: &str) -> Result<(), String> {
        for line in kconfig::options(text) {
            let (name, value) = line?;
            let pending = self.pending.iter();
            if let Some(at) = pending.clone().position(|(_, option)| option.name == name) {
                let (offset, option) = self.pending.remove(at);
                let written = match option.kconfig(&mut self.value) {
                    Some((ty, place)) => ty.write(value, place, Endian::NATIVE),
                    None => Err("it lies outside of map \".kconfig\"".to_owned()),
                };
                if let Err(why) = written {
                    self.refuse(offset, option, &format!("{why} (in {source})"));
                }
            }
        }
        Ok(())
    }

    /// What is no option of the kernel, but a question that loaders answer.
    fn set_virtual(&mut self, offset: u32, option: &'s Extern, rights: &Rights) {
        let answer = match option.name.as_str() {
            "LINUX_KERNEL_VERSION" => match KernelVersion::exact() {
                Some(version) => u64::from(version.code()),
                None => return self.refuse(offset, option, "uname(2) gives no version"),
            },
            "LINUX_HAS_BPF_COOKIE" => features::PERF_LINK.is_supported_with(rights).into(),
            "LINUX_HAS_SYSCALL_WRAPPER" => kallsyms::has_syscall_wrappers().into(),
            // As libbpf: those of the future are 0.
            name if name.starts_with("LINUX_") && option.weak => 0,
            _ => {
                let known = "it is neither a kernel option (CONFIG_…) nor one of LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE and LINUX_HAS_SYSCALL_WRAPPER";
                return self.refuse(offset, option, known);
            }
        };
        if let Some((ty, place)) = option.kconfig(&mut self.value)
            && let Err(why) = ty.write_number(answer, place, Endian::NATIVE)
        {
            self.refuse(offset, option, &why);
        }
    }

    fn refuse(&mut self, offset: u32, option: &Extern, why: &str) {
        self.unset.push(Unset {
            offset,
            reason: format!(
                "it reads the kernel configuration option {:?}: {why}",
                option.name
            ),
        });
    }

    fn give_up(&mut self, why: &str) {
        for (offset, option) in std::mem::take(&mut self.pending) {
            match option.weak {
                true => log::debug!("option {:?} is 0: {why}", option.name),
                false => self.refuse(
                    offset,
                    option,
                    &format!("{why}; if it can do without, declare it as weak, which reads as 0 then; `EbpfLoader::kernel_config` gives values"),
                ),
            }
        }
    }
}
