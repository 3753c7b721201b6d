//! Kernel configuration options that programs read: the contents of map `.kconfig`.
//!
//! The kernel's configuration is looked for only if a program reads an option that the caller's own
//! text does not set.

use std::sync::Arc;

use hachi_obj::{
    DataKind, Endian, Extern, ExternKind, Spec,
    kconfig::{self, LineError, ValueError},
};

use super::{EbpfError, OptionProblem};
use crate::{features, kallsyms, kernel_config, rights::Rights, version::KernelVersion};

/// An option that a program may not read, and why.
#[derive(Debug)]
pub(super) struct Unset {
    /// Its place in the map's value, in bytes.
    pub(super) offset: u32,
    pub(super) option: String,
    pub(super) problem: OptionProblem,
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
        applied.map_err(EbpfError::KernelConfig)?;
    }
    if !options.pending.is_empty() {
        let why = match kernel_config::read() {
            Ok(config) => match options.apply(&config.text, &config.source) {
                Ok(()) => OptionProblem::NotSet {
                    source: config.source,
                },
                Err(error) => OptionProblem::Line {
                    source: config.source,
                    error,
                },
            },
            Err(error) => OptionProblem::NoConfig(Arc::new(error)),
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
    fn apply(&mut self, text: &str, source: &str) -> Result<(), LineError> {
        for line in kconfig::options(text) {
            let (name, value) = line?;
            let pending = self.pending.iter();
            if let Some(at) = pending.clone().position(|(_, option)| option.name == name) {
                let (offset, option) = self.pending.remove(at);
                match option.kconfig(&mut self.value) {
                    Some((ty, place)) => {
                        if let Err(error) = ty.write(value, place, Endian::NATIVE) {
                            self.unfit(offset, option, error, Some(source));
                        }
                    }
                    None => self.refuse(offset, option, OptionProblem::Outside),
                }
            }
        }
        Ok(())
    }

    /// Not an option of the kernel, but a question that loaders answer.
    fn set_virtual(&mut self, offset: u32, option: &'s Extern, rights: &Rights) {
        let answer = match option.name.as_str() {
            "LINUX_KERNEL_VERSION" => match KernelVersion::exact() {
                Some(version) => u64::from(version.code()),
                None => return self.refuse(offset, option, OptionProblem::NoVersion),
            },
            "LINUX_HAS_BPF_COOKIE" => features::PERF_LINK.is_supported_with(rights).into(),
            "LINUX_HAS_SYSCALL_WRAPPER" => match kallsyms::has_syscall_wrappers() {
                Ok(answer) => answer.into(),
                Err(error) => {
                    let problem = OptionProblem::NoSymbols(Arc::new(error));
                    return self.refuse(offset, option, problem);
                }
            },
            // As libbpf: those of the future are 0.
            name if name.starts_with("LINUX_") && option.weak => 0,
            _ => return self.refuse(offset, option, OptionProblem::Unknown),
        };
        if let Some((ty, place)) = option.kconfig(&mut self.value)
            && let Err(error) = ty.write_number(answer, place, Endian::NATIVE)
        {
            self.unfit(offset, option, error, None);
        }
    }

    /// For a value, from `source`, that the program's variable does not hold.
    fn unfit(&mut self, offset: u32, option: &Extern, error: ValueError, source: Option<&str>) {
        let source = source.map(str::to_owned);
        self.refuse(offset, option, OptionProblem::Value { source, error });
    }

    fn refuse(&mut self, offset: u32, option: &Extern, problem: OptionProblem) {
        self.unset.push(Unset {
            offset,
            option: option.name.clone(),
            problem,
        });
    }

    /// For the options that nothing sets.
    fn give_up(&mut self, why: &OptionProblem) {
        for (offset, option) in std::mem::take(&mut self.pending) {
            match option.weak {
                true => log::debug!("option {:?} is 0: {why}", option.name),
                false => self.refuse(offset, option, why.clone()),
            }
        }
    }
}
