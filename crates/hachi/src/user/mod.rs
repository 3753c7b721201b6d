//! Programs and libraries as files: where functions and probes lie in them.

mod debug_files;
pub(crate) mod elf;
pub(crate) mod error;
mod image;
pub(crate) mod ld_cache;
pub(crate) mod path;
mod symbols;
pub(crate) mod usdt;
pub(crate) mod usdt_args;

/// Reads `bytes` as everything this module reads.
#[cfg(any(fuzzing, test))]
pub fn fuzz(bytes: &[u8]) {
    let _ = ld_cache::look_up(bytes, "libc");
    for word in [4, 8] {
        for note in usdt::notes(bytes, word) {
            let _ = usdt_args::parse(note.arguments());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(arguments) = usdt_args::parse(text)
    {
        usdt_args::spec(&arguments, 0, usdt_args::Layout::Wide);
    }
    symbols::fuzz(bytes);
}

/// Binaries of all sorts, made by the assembler and `objcopy`.
#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
        process::Command,
        sync::Arc,
        time::Instant,
    };

    use hachi_test::{TempDir, require_host};

    use super::{elf::Binary, error::Result};

    /// Binaries in a directory of their own.
    struct Workshop(TempDir);

    impl Workshop {
        fn new() -> Self {
            Workshop(TempDir::new().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn run(&self, program: &str, arguments: &[&str]) {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(self.0.path());
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {said}");
        }

        /// Links a program of functions with these names, which begin 16 bytes apart.
        fn program(&self, names: &[&str], link: &[&str]) -> PathBuf {
            let mut source = String::from(".text\n.globl _start\n_start:\n");
            for name in names {
                source += &format!(".balign 16\n.type \"{name}\", %function\n\"{name}\": ret\n");
                source += &format!(".size \"{name}\", 1\n");
            }
            fs::write(self.path("program.s"), source).unwrap();
            let fixed = ["-nostdlib", "program.s", "-o", "program"];
            self.run("cc", &[&fixed, link].concat());
            self.path("program")
        }
    }

    /// What Go's linker makes: loaded where it was linked for, without a C library.
    const AS_GO: &[&str] = &["-static", "-no-pie"];
    /// What musl's wrapper makes of a static program: loaded anywhere, without a dynamic linker.
    const AS_MUSL: &[&str] = &["-static-pie"];

    fn offset(path: &Path, name: &str) -> Result<u64> {
        Binary::open(path)?.function_offset(name)
    }

    #[track_caller]
    fn error(result: Result<u64>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn programs_of_go_have_their_names_and_addresses() {
        require_host!("an assembler");
        let shop = Workshop::new();
        let names = [
            "main.main",
            "main.(*Server).Serve-fm",
            "main.Map[go.shape.int_0]",
        ];
        let path = shop.program(&names, AS_GO);
        let binary = Binary::open(&path).unwrap();
        assert!(!binary.is_movable());
        let offsets = names.map(|name| binary.function_offset(name).unwrap());
        assert_eq!(offsets[1] - offsets[0], 16);
        // An asterisk in a name is itself, and a pattern that fits it.
        let fitting = binary.matching_offsets("main.(*Server).*").unwrap();
        assert_eq!(fitting, [offsets[1]]);
        // An address as `nm` prints it is converted; an offset in the file is one.
        let code = binary.segments().iter().find(|segment| segment.executable);
        let address =
            code.unwrap().address + (offsets[0] - binary.offset_of(code.unwrap().address).unwrap());
        assert_ne!(address, offsets[0]);
        assert_eq!(binary.offset(address).unwrap(), offsets[0]);
        assert_eq!(binary.offset(offsets[0]).unwrap(), offsets[0]);
        assert!(error(binary.offset(1 << 40)).contains("beyond the end"));
    }

    #[test]
    fn static_programs_of_musl_are_movable() {
        require_host!("an assembler");
        let shop = Workshop::new();
        let path = shop.program(&["serve"], AS_MUSL);
        let binary = Binary::open(&path).unwrap();
        assert!(binary.is_movable());
        let found = binary.function_offset("serve").unwrap();
        assert_eq!(binary.offset(found).unwrap(), found);
    }

    #[test]
    fn a_debug_link_is_followed_if_it_is_of_the_binary() {
        require_host!("an assembler");
        let shop = Workshop::new();
        for id in ["-Wl,--build-id=none", "-Wl,--build-id=sha1"] {
            let path = shop.program(&["serve"], &[AS_GO, &[id]].concat());
            let expected = offset(&path, "serve").unwrap();
            shop.run(
                "objcopy",
                &["--only-keep-debug", "program", "program.debug"],
            );
            let link = [
                "--strip-all",
                "--add-gnu-debuglink=program.debug",
                "program",
            ];
            shop.run("objcopy", &link);
            assert_eq!(offset(&path, "serve").unwrap(), expected, "{id}");
            assert!(error(offset(&path, "serv")).contains("did you mean \"serve\""));
            // In the directory that gdb looks in, too.
            fs::create_dir_all(shop.path(".debug")).unwrap();
            fs::rename(
                shop.path("program.debug"),
                shop.path(".debug/program.debug"),
            )
            .unwrap();
            touch(&path);
            assert_eq!(offset(&path, "serve").unwrap(), expected, "{id}");
            // That of another build is not its own.
            let debug = shop.path(".debug/program.debug");
            shop.program(
                &["other", "serve"],
                &[AS_GO, &[id, "-o", ".debug/program.debug"]].concat(),
            );
            assert!(debug.exists());
            touch(&path);
            assert!(error(offset(&path, "serve")).contains("stripped"), "{id}");
            fs::remove_file(debug).unwrap();
        }
    }

    /// Makes a file one that was changed, so that what is known of it does not count.
    fn touch(path: &Path) {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
    }

    #[cfg(feature = "debuginfo")]
    #[test]
    fn symbols_that_are_compressed_in_the_file_are_found() {
        use std::io::Write as _;
        require_host!("an assembler");
        let shop = Workshop::new();
        let path = shop.program(&["serve"], AS_GO);
        let expected = offset(&path, "serve").unwrap();
        let whole = fs::read(&path).unwrap();
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(&whole).unwrap();
        fs::write(shop.path("symbols.xz"), writer.finish().unwrap()).unwrap();
        shop.run("objcopy", &["--strip-all", "program"]);
        assert!(error(offset(&path, "serve")).contains("stripped"));
        let add = ["--add-section", ".gnu_debugdata=symbols.xz", "program"];
        shop.run("objcopy", &add);
        assert_eq!(offset(&path, "serve").unwrap(), expected);
        // Damaged, it is an error that names the file.
        fs::write(shop.path("symbols.xz"), b"\xfd7zXZ\0nothing").unwrap();
        shop.run(
            "objcopy",
            &["--remove-section", ".gnu_debugdata", "program"],
        );
        shop.run("objcopy", &add);
        assert!(error(offset(&path, "serve")).contains("program"));
    }

    /// Compresses the symbols and their names as a linker may compress sections for debuggers.
    #[cfg(feature = "debuginfo")]
    #[test]
    fn compressed_sections_of_symbols_are_read() {
        use object::{Endianness, elf, read::elf::FileHeader as _, read::elf::SectionHeader as _};
        require_host!("an assembler");
        if cfg!(not(all(
            target_pointer_width = "64",
            target_endian = "little"
        ))) {
            return;
        }
        let shop = Workshop::new();
        let path = shop.program(&["serve", "other"], AS_GO);
        let expected = offset(&path, "serve").unwrap();
        let plain = fs::read(&path).unwrap();
        let header = elf::FileHeader64::<Endianness>::parse(&*plain).unwrap();
        let endian = Endianness::Little;
        let sections = header.section_headers(endian, &*plain).unwrap();
        let table = (sections.iter())
            .position(|section| section.sh_type(endian) == elf::SHT_SYMTAB)
            .unwrap();
        let names = sections[table].sh_link(endian) as usize;
        for zstd in [false, true] {
            let mut bytes = plain.clone();
            for index in [table, names] {
                let data = sections[index].data(endian, &*plain).unwrap();
                let packed = match zstd {
                    false => miniz_oxide::deflate::compress_to_vec_zlib(data, 6),
                    true => ruzstd::encoding::compress_to_vec(
                        data,
                        ruzstd::encoding::CompressionLevel::Fastest,
                    ),
                };
                let at = bytes.len() as u64;
                // `Elf64_Chdr`: type, reserved, size, alignment.
                bytes.extend((1 + u64::from(zstd)).to_le_bytes());
                bytes.extend((data.len() as u64).to_le_bytes());
                bytes.extend(8u64.to_le_bytes());
                bytes.extend(&packed);
                let size = bytes.len() as u64 - at;
                let entry = header.e_shoff(endian) as usize + index * 64;
                const SHF_COMPRESSED: u64 = 1 << 11;
                for (field, value) in [(8, SHF_COMPRESSED), (24, at), (32, size)] {
                    bytes[entry + field..][..8].copy_from_slice(&value.to_le_bytes());
                }
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
            fs::write(&path, &bytes).unwrap();
            assert_eq!(offset(&path, "serve").unwrap(), expected);
            // Damaged and shortened ones are errors.
            for end in (plain.len()..bytes.len() - 8).step_by(7) {
                fs::write(&path, &bytes[..end]).unwrap();
                offset(&path, "serve").unwrap_err();
            }
        }
    }

    /// All names are looked for in one pass over the symbols, and one file's are read once.
    #[test]
    fn a_thousand_names_cost_about_as_much_as_one() {
        require_host!("an assembler");
        let shop = Workshop::new();
        let names: Vec<String> = (0..20_000)
            .map(|number| format!("function_{number}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let path = shop.program(&names, AS_GO);
        let start = Instant::now();
        let binary = Binary::open(&path).unwrap();
        let first = binary.function_offset(names[0]).unwrap();
        let one = start.elapsed();
        assert!(Arc::ptr_eq(&binary, &Binary::open(&path).unwrap()));
        let start = Instant::now();
        for (number, name) in names.iter().enumerate().step_by(20) {
            let found = binary.function_offset(name).unwrap();
            assert_eq!(found, first + 16 * number as u64);
        }
        let thousand = start.elapsed();
        assert!(
            thousand < 2 * one,
            "{one:?} for one, {thousand:?} for 1,000 more"
        );
        // A file that has changed is read again.
        let path = shop.program(&["other"], AS_GO);
        assert!(error(offset(&path, names[0])).contains("function_0"));
    }

    #[test]
    fn a_pipe_is_an_error_at_once_and_a_short_file_no_fault() {
        require_host!("an assembler");
        let shop = Workshop::new();
        shop.run("mkfifo", &["pipe"]);
        assert!(error(offset(&shop.path("pipe"), "f")).contains("a pipe"));
        let path = shop.program(&["serve"], AS_GO);
        let whole = fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(97) {
            fs::write(&path, &whole[..end]).unwrap();
            let _ = offset(&path, "serve");
        }
        // A file of a terabyte, of which nothing is there.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let _ = offset(&path, "serve");
    }

    /// Simple fuzzing: this very program, shortened and with bytes changed.
    #[test]
    fn damaged_binaries_are_errors() {
        let mut bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
        bytes.truncate(1 << 16);
        for len in (0..bytes.len()).step_by(4099) {
            super::fuzz(&bytes[..len]);
        }
        for at in (0..512).step_by(3) {
            let old = std::mem::replace(&mut bytes[at], 0xff);
            super::fuzz(&bytes);
            bytes[at] = old;
        }
    }
}
