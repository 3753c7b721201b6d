//! The command line: rustc's dialects and a person's.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    str::FromStr,
};

use hachi_obj::file;

use crate::{Cpu, Error, FileAction, Options, Panics, UsageError};

/// Options of other eBPF linkers that projects carry in their `-C link-arg`; they ask for what this
/// linker does anyway, or tune what it has no knob for. The number of values each takes as separate
/// arguments.
const ACCEPTED: &[(&str, usize)] = &[
    ("--allow-bpf-trap", 0),
    ("--btf", 0),
    ("--debug", 0),
    ("--disable-expand-memcpy-in-order", 0),
    ("--disable-memory-builtins", 0),
    ("--dump-module", 1),
    ("--emit", 1),
    ("--fatal-errors", 0),
    ("--ignore-inline-never", 0),
    ("--log-file", 1),
    ("--log-level", 1),
    ("--unroll-loops", 0),
    ("-g", 0),
];

impl FromStr for Cpu {
    type Err = UsageError;

    fn from_str(s: &str) -> Result<Self, UsageError> {
        match s {
            "v1" => Ok(Cpu::V1),
            "v2" => Ok(Cpu::V2),
            "v3" => Ok(Cpu::V3),
            "v4" => Ok(Cpu::V4),
            _ => Err(UsageError::UnknownValue {
                what: "cpu",
                value: s.to_owned(),
                expected: "v1, v2, v3 or v4",
            }),
        }
    }
}

/// Walks the arguments of one command line.
struct Args<I> {
    rest: I,
}

impl<I: Iterator<Item = OsString>> Args<I> {
    /// The value of `option`: what follows `=`, else the next argument.
    fn value(&mut self, option: &str, inline: Option<&str>) -> Result<OsString, UsageError> {
        if let Some(value) = inline {
            return Ok(value.into());
        }
        self.rest.next().ok_or_else(|| UsageError::MissingValue {
            option: option.to_owned(),
        })
    }

    fn text(&mut self, option: &str, inline: Option<&str>) -> Result<String, UsageError> {
        self.value(option, inline)?
            .into_string()
            .map_err(|value| UsageError::NotUtf8 {
                option: option.to_owned(),
                value,
            })
    }
}

impl Options {
    /// Understands the arguments (without the program's name) that rustc gives a linker of its
    /// `bpf` flavour, those it gives a C compiler when the build is for the host (together with
    /// `--hachi-retarget`), and those a person types.
    ///
    /// # Errors
    /// [`Error::Usage`] when an option is unknown, lacks its value, or nothing is to be linked;
    /// [`Error::Io`] when a response file (`@file`) cannot be read.
    pub fn from_args<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Result<Self, Error> {
        let args = expand_response_files(args.into_iter().map(Into::into).collect())?;
        // Only this option tells that the rest is meant for a C compiler, and it comes last.
        let host = args
            .iter()
            .any(|arg| arg == "--hachi-retarget" || arg == "-Wl,--hachi-retarget");
        let mut options = Options {
            retarget: host,
            ..Options::default()
        };
        let mut args = Args {
            rest: args.into_iter(),
        };
        while let Some(arg) = args.rest.next() {
            options.take(&arg, &mut args, host)?;
        }
        if options.output.as_os_str().is_empty() {
            return Err(UsageError::NoOutput.into());
        }
        if host {
            // rustc leaves the whole program's bitcode beside the executable that it thinks is
            // being linked. The objects on the command line are machine code for the host.
            options.inputs = vec![with_suffix(&options.output, "bc")];
        }
        if options.inputs.is_empty() {
            return Err(UsageError::NoInput.into());
        }
        Ok(options)
    }

    fn take<I: Iterator<Item = OsString>>(
        &mut self,
        arg: &OsStr,
        args: &mut Args<I>,
        host: bool,
    ) -> Result<(), UsageError> {
        let Some(text) = arg.to_str().filter(|text| text.starts_with('-')) else {
            self.inputs.push(arg.into());
            return Ok(());
        };
        // A C compiler hands `-Wl,` options on to its linker; ours may come so too.
        let text = text.strip_prefix("-Wl,").unwrap_or(text);
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (text, None),
        };
        match name {
            "-o" | "--output" => self.output = args.value(name, inline)?.into(),
            "--llvm" => self.llvm = Some(args.value(name, inline)?.into()),
            "--rustc" => self.rustc = Some(args.value(name, inline)?.into()),
            "--save-temps" => self.save_temps = Some(args.value(name, inline)?.into()),
            "--export-symbols" => self.export_symbols = Some(args.value(name, inline)?.into()),
            "--export" => self.exports.push(args.text(name, inline)?),
            "--llvm-args" => {
                let list = args.text(name, inline)?;
                self.llvm_args
                    .extend(list.split_whitespace().map(str::to_owned));
            }
            "--strict-panics" => self.panics = Panics::Deny,
            "--panics" => self.panics = args.text(name, inline)?.parse()?,
            "--min-kernel" => self.min_kernel = Some(args.text(name, inline)?.parse()?),
            "-r" | "--relocatable" => self.relocatable = true,
            "--retarget" | "--hachi-retarget" => self.retarget = true,
            "--target" => {
                let target = args.text(name, inline)?;
                // What clang calls that of the inputs.
                if target != "bpf" {
                    self.target = Some(target.parse()?);
                }
            }
            "--arch" => {
                let arch = args.text(name, inline)?;
                if !hachi_obj::arch::is_name(&arch) {
                    return Err(UsageError::UnknownValue {
                        what: "kind of machine",
                        value: arch,
                        expected: "a name of Rust's such as x86_64 or aarch64",
                    });
                }
                self.arch = Some(arch);
            }
            "--cpu" => {
                let cpu = args.text(name, inline)?;
                // What rustc says when nobody chose.
                if cpu != "generic" {
                    self.cpu = cpu.parse()?;
                }
            }
            "-O0" | "-O1" => self.opt_level = Some(2),
            // Sizes matter less here than being understood by the verifier, which code for size is
            // not.
            "-O" | "-O2" | "-Os" | "-Oz" => self.opt_level = Some(2),
            "-O3" => self.opt_level = Some(3),
            "-L" | "-l" => {
                args.value(name, None)?;
            }
            _ if name.starts_with("-L") || name.starts_with("-l") => {}
            _ if host => {}
            _ => {
                let Some((_, values)) = ACCEPTED.iter().find(|(known, _)| *known == name) else {
                    return Err(UsageError::UnknownOption(name.to_owned()));
                };
                if inline.is_none() {
                    for _ in 0..*values {
                        args.value(name, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// `out/prog` and `bc` make `out/prog.bc`; a dot in the file name is nothing special.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// rustc writes the arguments to a file, one a line with backslashes before special characters,
/// when there are too many.
fn expand_response_files(args: Vec<OsString>) -> Result<Vec<OsString>, Error> {
    let mut out = Vec::with_capacity(args.len());
    for arg in args {
        let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix('@')) else {
            out.push(arg);
            continue;
        };
        let text = file::read_text(path, file::LARGEST).map_err(|source| Error::Io {
            action: FileAction::Read,
            path: path.into(),
            source,
        })?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut arg = String::with_capacity(line.len());
            let mut chars = line.trim().chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => arg.extend(chars.next()),
                    '"' => {}
                    _ => arg.push(c),
                }
            }
            out.push(arg.into());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Kernel, Target};

    fn parse(line: &str) -> Result<Options, Error> {
        Options::from_args(line.split_whitespace())
    }

    #[test]
    fn rustc_bpf_flavour() {
        let o = parse(
            "--export-symbols /t/list a.rcgu.o -L /deps --cpu generic -o out/prog -O3 \
                       --debug --llvm=/l/libLLVM.so",
        )
        .unwrap();
        assert_eq!(o.inputs, [Path::new("a.rcgu.o")]);
        assert_eq!(o.output, Path::new("out/prog"));
        assert_eq!(o.export_symbols.as_deref(), Some(Path::new("/t/list")));
        assert_eq!(o.cpu, Cpu::V3);
        assert_eq!(o.opt_level, Some(3));
        assert_eq!(o.llvm.as_deref(), Some(Path::new("/l/libLLVM.so")));
        assert!(!o.retarget);
    }

    #[test]
    fn a_later_cpu_wins_over_rustcs_generic() {
        let o = parse("--cpu=v4 a.o --cpu generic -o x").unwrap();
        assert_eq!(o.cpu, Cpu::V4);
    }

    #[test]
    fn host_flavour_takes_the_bitcode_beside_the_output() {
        let o = parse(
            "-m64 /t/symbols.o /t/a.rcgu.o -Wl,--as-needed -Wl,-Bstatic /l/libcore.rlib \
                       -lc -L /x -o /t/deps/prog-1f.2 -Wl,--gc-sections -pie -nodefaultlibs \
                       --hachi-retarget --cpu=v2",
        )
        .unwrap();
        assert!(o.retarget);
        assert_eq!(o.inputs, [Path::new("/t/deps/prog-1f.2.bc")]);
        assert_eq!(o.output, Path::new("/t/deps/prog-1f.2"));
        assert_eq!(o.cpu, Cpu::V2);
    }

    #[test]
    fn a_person() {
        let o = parse(
            "a.o b.bc -o out.o --cpu v3 --export main --strict-panics --min-kernel \
                       5.15.3 --save-temps t",
        )
        .unwrap();
        assert_eq!(o.inputs.len(), 2);
        assert_eq!(o.exports, ["main"]);
        assert_eq!(o.panics, Panics::Deny);
        assert_eq!(o.min_kernel, Some(Kernel(5, 15)));
        assert_eq!(o.save_temps.as_deref(), Some(Path::new("t")));
    }

    #[test]
    fn other_linkers_options_are_accepted() {
        let o = parse("--btf --log-level debug --unroll-loops a.o -o b").unwrap();
        assert_eq!(o.inputs, [Path::new("a.o")]);
    }

    #[test]
    fn targets_have_long_and_short_names() {
        for (name, target) in [
            ("bpf", None),
            ("bpfel", Some(Target::Bpfel)),
            ("bpfeb", Some(Target::Bpfeb)),
            ("bpfel-unknown-none", Some(Target::Bpfel)),
            ("bpfeb-unknown-none", Some(Target::Bpfeb)),
        ] {
            let o = parse(&format!("a.o -o b --target {name}")).unwrap();
            assert_eq!(o.target, target, "{name}");
        }
    }

    #[test]
    fn the_kind_of_machine_is_a_name() {
        let options = parse("a.o -o x --arch=aarch64").unwrap();
        assert_eq!(options.arch.as_deref(), Some("aarch64"));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("a.o", "-o FILE"),
            ("-o x", "nothing to link"),
            ("a.o -o", "`-o` needs a value"),
            ("a.o -o x --cpu v9", "`v9`"),
            (
                "a.o -o x --target x86_64-unknown-none",
                "`x86_64-unknown-none`",
            ),
            ("a.o -o x --arch ARM64", "`ARM64`"),
            ("a.o -o x --frobnicate", "--frobnicate"),
            ("a.o -o x --panics=never", "`never`"),
            ("a.o -o x --min-kernel new", "`new`"),
            ("@/nonexistent/args", "/nonexistent/args"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn response_files_are_unescaped() {
        let path = std::env::temp_dir().join(format!("hachi-linker-args-{}", std::process::id()));
        fs::write(&path, "a\\ b.o\n-o\n\"out dir/x\"\n").unwrap();
        let parsed = Options::from_args([format!("@{}", path.display())]);
        fs::remove_file(&path).unwrap();
        let o = parsed.unwrap();
        assert_eq!(o.inputs, [Path::new("a b.o")]);
        assert_eq!(o.output, Path::new("out dir/x"));
    }
}
