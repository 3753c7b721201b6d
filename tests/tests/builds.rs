//! From source to object: single files, both profiles, each way to a toolchain, other languages.

mod support;

use hachi::Ebpf;
use hachi::programs::XdpFlags;
use hachi_asm::{Endian, Op};
use hachi_btf::BtfBuilder;
use hachi_obj::Spec;
use hachi_obj::inline::InlineInfo;
use hachi_test::{
    EchoServer, TempDir, VethPair, find_clang, require_bpf, require_host, skip, udp_request,
};
use hachi_tests::{
    cargo, failure, fixture, fixture_source, fixture_with, hachi, hachi_bin, root, success,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::udp_passes;

/// A package in `directory` whose one binary is the source of a fixture.
fn package(directory: &Path, name: &str, fixture: &str) -> PathBuf {
    let package = directory.join(name);
    std::fs::create_dir(&package).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n\
         [[bin]]\nname = \"{name}\"\npath = '{}'\n\n\
         [dependencies]\nhachi-ebpf = {{ path = '{}' }}\n\n[workspace]\n",
        fixture_source(fixture).display(),
        root().join("ebpf/hachi-ebpf").display()
    );
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    package
}

/// What the command that needs no kernel says of the object.
fn inspected(object: &Path) -> serde_json::Value {
    let document = success(hachi(["inspect", "--json"]).arg(object));
    let mut document: serde_json::Value = serde_json::from_str(&document).unwrap();
    document["objects"][0].take()
}

/// The programs of the object.
fn programs(object: &Path) -> Vec<String> {
    let inspected = inspected(object);
    let programs = inspected["programs"]
        .as_array()
        .expect("a list of programs");
    let name = |program: &serde_json::Value| program["name"].as_str().map(str::to_owned);
    programs.iter().filter_map(name).collect()
}

/// Tests of the crates have objects without a toolchain: their sources must not fall behind.
#[test]
fn sources_of_checked_in_objects_build() {
    require_host!("a compiler");
    let out = TempDir::new().unwrap();
    let mut seen = 0;
    for directory in [
        "crates/hachi-cli/tests/programs",
        "crates/hachi-obj/tests/data",
    ] {
        for entry in root().join(directory).read_dir().unwrap() {
            let source = entry.unwrap().path();
            if source
                .extension()
                .is_some_and(|extension| extension == "rs")
            {
                let object = out
                    .path()
                    .join(source.with_extension("o").file_name().unwrap());
                success(hachi(["build", "--out"]).arg(out.path()).arg(&source));
                assert!(!programs(&object).is_empty(), "{}", source.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "only {seen}");
}

/// One file, no package around it, no crate inside it.
#[test]
fn a_single_file_builds() {
    require_host!("a compiler");
    let object = fixture("bare");
    assert_eq!(programs(&object), ["bare"]);
    let bytes = std::fs::read(&object).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF");
    assert!(bytes.len() < 4096, "{} bytes", bytes.len());
}

/// What is printed on stdout is the objects' paths, one on each line, and nothing else.
#[test]
fn build_prints_the_paths() {
    require_host!("a compiler");
    let directory = TempDir::new().unwrap();
    let mut build = hachi(["build"]);
    build.arg(root().join("examples/book-hello-xdp/hello-xdp-ebpf"));
    build.arg("--out").arg(directory.path());
    let printed = success(&mut build);
    let lines: Vec<&Path> = printed.lines().map(Path::new).collect();
    assert_eq!(lines.len(), 1, "{printed}");
    assert!(lines[0].starts_with(directory.path()) && lines[0].is_file());
}

/// The compiler's message comes through, with the place, and nothing pretends to have been built.
#[test]
fn a_compile_error_is_shown() {
    require_host!("a compiler");
    let directory = TempDir::new().unwrap();
    let file = directory.join("broken.rs");
    std::fs::write(
        &file,
        "#![no_std]\n#![no_main]\nfn f() -> u32 { nonsense }\n",
    )
    .unwrap();
    let mut build = hachi(["build"]);
    let text = failure(build.arg(&file).arg("--out").arg(directory.path()), 1);
    assert!(
        text.contains("nonsense") && text.contains("broken.rs:3"),
        "{text}"
    );
    assert!(!directory.join("broken.o").exists());
}

/// Every way to a toolchain that this machine has makes an object that works.
#[test]
fn each_way_builds_an_object_that_loads() {
    require_host!("a compiler");
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ways = Vec::new();
    for way in ["prebuilt", "source", "host"] {
        let directory = TempDir::new().unwrap();
        let mut build = hachi(["build"]);
        build
            .arg(fixture_source("drops"))
            .arg("--out")
            .arg(directory.path())
            .env("HACHI_TOOLCHAIN", way)
            .env_remove("HACHI_YES");
        let output = build.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(3) {
            // The machine lacks it: then the message must say how to get it.
            assert!(stderr.contains("help"), "{way}: {stderr}");
            continue;
        }
        assert!(output.status.success(), "{way}: {stderr}");
        ways.push(way);
        let mut ebpf = hachi::EbpfLoader::new()
            .override_global("PORT", &7001_u16, true)
            .load_file(directory.join("drops.o"))
            .unwrap_or_else(|error| panic!("{way}: {error}"));
        support::attach(&mut ebpf, "drops", &wire.right, XdpFlags::default());
        assert!(udp_passes(&wire, 7000), "{way}");
        assert!(!udp_passes(&wire, 7001), "{way}");
    }
    assert!(ways.contains(&"host"), "needs nothing but rustc: {ways:?}");
    assert!(ways.len() >= 2, "one of the supported ways: {ways:?}");
}

/// Two builds that start from an empty cache at the same time do not get in each other's way.
#[test]
fn concurrent_builds_share_an_empty_cache() {
    require_host!("a compiler");
    let cache = TempDir::new().unwrap();
    let builds: Vec<_> = ["drops", "xdp"]
        .map(|name| {
            let out = TempDir::new().unwrap();
            let mut build = hachi(["build"]);
            build.arg(fixture_source(name)).arg("--out").arg(out.path());
            let child = build.env("HACHI_CACHE", cache.path()).spawn().unwrap();
            (name, out, child)
        })
        .into();
    for (name, out, mut child) in builds {
        assert!(child.wait().unwrap().success(), "{name}");
        assert_eq!(programs(&out.join(format!("{name}.o"))), [name]);
    }
}

#[test]
fn cargo_hachi_is_the_same_command() {
    require_host!("a compiler");
    let directory = hachi_bin().parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut path: Vec<_> = std::env::split_paths(&path).collect();
    path.insert(0, directory.to_owned());
    let mut command = cargo(root());
    command
        .env("PATH", std::env::join_paths(path).unwrap())
        .args(["hachi", "inspect"])
        .arg(fixture("bare"));
    assert!(success(&mut command).contains("bare"));
}

/// A C function, compiled by clang to an eBPF object, is linked into a Rust program.
#[test]
fn c_links_into_rust() {
    require_host!("a compiler");
    require_bpf!();
    let Some(clang) = find_clang() else {
        skip!("clang is not installed (package clang)");
    };
    let directory = TempDir::new().unwrap();
    let object = directory.join("c_verdict.o");
    let mut compile = Command::new(clang);
    compile.args(["--target=bpf", "-mcpu=v3", "-O2", "-g", "-c"]);
    compile.arg(root().join("tests/fixtures/c_verdict.c"));
    success(compile.arg("-o").arg(&object));

    // As cargo has it: a build script names the object to link.
    let package = package(directory.path(), "calls_c", "calls_c");
    let script = format!(
        "fn main() {{ println!(r\"cargo::rustc-link-arg={}\"); }}\n",
        object.display()
    );
    std::fs::write(package.join("build.rs"), script).unwrap();
    let mut build = hachi(["build"]);
    build.arg(&package).arg("--out").arg(directory.path());
    success(&mut build);

    let wire = VethPair::new().unwrap();
    let mut ebpf = Ebpf::load_file(directory.join("calls_c.o")).unwrap();
    support::attach(&mut ebpf, "calls_c", &wire.right, XdpFlags::default());
    let address = (wire.right.ipv4(), 7000).into();
    let server = EchoServer::udp(wire.right.netns(), address).unwrap();
    let ask = |length| {
        let payload = vec![1; length];
        udp_request(wire.left.netns(), server.address(), &payload, support::SOON)
    };
    assert!(ask(300).is_ok());
    assert!(ask(600).is_err());
}

/// Build scripts of programs written for Aya look for `bpf-linker`, and fail where there is none.
#[test]
fn build_scripts_find_a_bpf_linker() {
    require_host!("a compiler");
    let directory = TempDir::new().unwrap();
    let package = package(directory.path(), "looks", "drops");
    let script = r#"fn main() {
        let path = std::env::var_os("PATH").unwrap();
        let mut places = std::env::split_paths(&path).map(|directory| directory.join("bpf-linker"));
        let found = places.find(|file| file.is_file()).expect("a bpf-linker");
        println!("cargo:rerun-if-changed={}", found.display());
    }"#;
    std::fs::write(package.join("build.rs"), script).unwrap();
    let mut build = hachi(["build"]);
    build.arg(&package).arg("--out").arg(directory.path());
    // Twice: what the first run has put there is no obstacle.
    success(&mut build);
    success(&mut build);
    assert_eq!(programs(&directory.join("looks.o")), ["drops"]);
}

/// The object of a debug build may be larger, but it is the same program to the outside.
#[test]
fn both_profiles_have_the_same_programs() {
    require_host!("a compiler");
    for name in ["drops", "maps", "xdp"] {
        let (release, debug) = (fixture(name), fixture_with(name, &["--debug"]));
        assert_eq!(programs(&release), programs(&debug), "{name}");
    }
}

/// The target of the byte order that this machine has not.
const OTHER_TARGET: &str = match Endian::NATIVE {
    Endian::Little => "bpfeb-unknown-none",
    Endian::Big => "bpfel-unknown-none",
};

/// The object of a fixture for this machine, and the one for machines of the other byte order.
fn both_orders(name: &str) -> [PathBuf; 2] {
    [
        fixture(name),
        fixture_with(name, &["--target", OTHER_TARGET]),
    ]
}

/// Reads an object.
fn spec(object: &Path) -> Spec {
    Spec::parse(&std::fs::read(object).unwrap()).unwrap()
}

/// Where the order of bytes does not show in the code, programs for machines of either are the same
/// down to their instructions, lines, types, maps and CO-RE records. Only the one can be run here;
/// the other is as right.
#[test]
fn programs_for_the_other_byte_order_are_the_same() {
    require_host!("a compiler");
    for name in ["nested", "atomics", "kobjects"] {
        let objects = both_orders(name);
        let [here, mut there] = objects.each_ref().map(|object| spec(object));
        assert_eq!(here.endian, Endian::NATIVE, "{name}");
        assert_ne!(there.endian, Endian::NATIVE, "{name}");
        // Values of variables differ in their bytes, but not as they are printed.
        let [ours, theirs] = objects.each_ref().map(|object| inspected(object));
        assert_eq!(ours["globals"], theirs["globals"], "{name}");
        for (map, ours) in there.maps.iter_mut().zip(&here.maps) {
            map.contents.clone_from(&ours.contents);
        }
        let listing = |object| success(hachi(["dis"]).arg(object));
        assert_eq!(listing(&objects[0]), listing(&objects[1]), "{name}");
        for (ours, theirs) in here.programs.iter().zip(&there.programs) {
            assert_eq!(ours, theirs, "{name}");
        }
        assert_eq!(here.maps, there.maps, "{name}");
        assert_eq!(here.btf, there.btf, "{name}");
        // The words of what was inlined are in each object's own order; what they say is the same.
        let mut known = 0;
        for program in &here.programs {
            let size = program.code().unwrap().insns.len() * 8;
            let of = |spec: &Spec| {
                let frames = spec.inline_info.as_deref().expect("Rust programs have it");
                let frames = InlineInfo::new(frames, spec.endian);
                format!("{:?}", frames.function(&program.name, size))
            };
            assert_eq!(of(&here), of(&there), "{name}: {}", program.name);
            known += usize::from(of(&here) != "None");
        }
        assert!(known > 0, "{name}");
        there.inline_info.clone_from(&here.inline_info);
        // And all that is left.
        there.endian = here.endian;
        assert_ne!(here.arch, there.arch, "{name}");
        there.arch.clone_from(&here.arch);
        assert!(here == there, "{name}");
    }
}

/// A program of which one half reads registers and the other does not, built for a machine that
/// this one is not.
#[test]
fn an_object_says_for_which_machine_it_was_built() {
    require_host!("a compiler");
    const OTHER: (&str, &str) = match cfg!(target_arch = "aarch64") {
        true => ("x86_64", "amd64"),
        false => ("aarch64", "arm64"),
    };
    let arch = |object: &Path| inspected(object)["arch"].clone();
    assert_eq!(arch(&fixture("reads")), std::env::consts::ARCH);
    let object = fixture_with("reads", &["--arch", OTHER.1]);
    assert_eq!(arch(&object), OTHER.0);
    let text = success(hachi(["inspect"]).arg(&object));
    let line = format!("built for {}, whose registers are read by reads", OTHER.0);
    assert!(text.contains(&line), "{text}");

    let error = failure(&mut hachi(["build", "x.rs", "--arch", "mips"]), 2);
    assert!(
        error.contains("`mips`") && error.contains("riscv64"),
        "{error}"
    );

    require_bpf!();
    let mut ebpf = Ebpf::load_file(&object).unwrap();
    let load = |ebpf: &mut Ebpf, name: &str| ebpf.program_mut(name).unwrap().load();
    load(&mut ebpf, "looks_not").unwrap();
    let error = load(&mut ebpf, "reads").unwrap_err().to_string();
    for words in [
        OTHER.0,
        "reads.rs:",
        std::env::consts::ARCH,
        "hachi build --arch",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let mut ebpf = Ebpf::load_file(fixture("reads")).unwrap();
    load(&mut ebpf, "reads").unwrap();
}

/// Where it does show: in questions about bit-fields, and in the machine, which has other
/// registers.
#[test]
fn programs_for_the_other_byte_order_know_it() {
    require_host!("a compiler");
    let [here, there] = both_orders("core_questions").map(|object| spec(&object));
    let questions = |spec: &Spec| -> Vec<_> {
        let programs = spec.programs.iter();
        let asked = programs.map(|program| {
            let code = program.code().unwrap();
            let records = code.core_relos().map(Result::unwrap);
            records
                .map(|relo| (relo.type_id, relo.access.to_owned(), relo.kind))
                .collect::<Vec<_>>()
        });
        asked.collect()
    };
    assert_eq!(questions(&here), questions(&there));
    // The strings have source lines too, and those differ where the code does.
    let types = |spec: &Spec| -> Vec<String> {
        let types = spec.types().expect("Rust programs have types");
        let types = hachi_btf::BtfBuilder::from_btf(&types).unwrap();
        types
            .iter()
            .map(|(id, kind)| format!("{id} {kind:?}"))
            .collect()
    };
    assert_eq!(types(&here), types(&there));
    assert_eq!(here.maps, there.maps);

    // The program `probe` begins by reading the first argument of a function: di, x0, a0 or r2.
    let argument = |spec: &Spec| {
        let probe = spec.program("probe").unwrap();
        match Op::decode(&probe.code().unwrap().insns, 0) {
            Ok(Op::Load { off, .. }) => off,
            other => panic!("{other:?}"),
        }
    };
    let big = |name| {
        let both = both_orders(name).map(|object| spec(&object));
        both.into_iter().find(|spec| spec.endian == Endian::Big)
    };
    assert_eq!(
        argument(&big("core_hooks").unwrap()),
        5 * 8,
        "s390x is the one that is known"
    );
    // And the first argument of a system call is where only its kernel knows.
    let probes = big("probes").unwrap();
    let types = BtfBuilder::from_btf(&probes.types().unwrap()).unwrap();
    assert!(format!("{types:?}").contains("orig_gpr2"));
}

/// Nothing of such an object gets to the kernel, and the error says why.
#[test]
fn programs_for_the_other_byte_order_are_refused() {
    require_host!("a compiler");
    require_bpf!();
    let [_, object] = both_orders("nested");
    for text in [
        Ebpf::load_file(&object).unwrap_err().to_string(),
        failure(hachi(["check"]).arg(&object), 1),
    ] {
        for word in ["nested.o", "big-endian", "little-endian", "build it for"] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }
    // Nor is it linked with what is for this machine.
    let directory = TempDir::new().unwrap();
    let text = failure(
        hachi(["ld"])
            .args([fixture("nested"), object])
            .arg("-o")
            .arg(directory.join("both.o")),
        1,
    );
    assert!(text.contains("differ in byte order"), "{text}");
    let text = failure(
        hachi(["ld", "--target", OTHER_TARGET])
            .arg(fixture("nested"))
            .arg("-o")
            .arg(directory.join("other.o")),
        1,
    );
    assert!(text.contains(OTHER_TARGET), "{text}");
}
