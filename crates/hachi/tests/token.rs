//! Rights that were delegated to a user namespace.
//!
//! Each test runs itself again in such a namespace: the outer part is the manager of a container,
//! the inner part is what runs in it.

mod support;

use std::{env, path::Path, process::Command};

use hachi::{
    BpfToken, Ebpf, EbpfLoader, features,
    obj::{MapSpec, MapType},
    programs::{TestRunOptions, XdpFlags},
};
use hachi_test::{TempDir, require_bpf, run_delegated};
use support::{XDP_PASS, load, one, spec, xdp};

/// Names the directory with the file system, inside.
const INSIDE: &str = "HACHI_TEST_TOKEN";

/// Runs `inside` in a namespace to which `options` are delegated; `test` is the test's name.
/// `environment` says how the file system is found.
fn delegated(test: &str, options: &[(&str, &str)], environment: Option<&str>, inside: fn(&Path)) {
    if let Some(directory) = env::var_os(INSIDE) {
        return inside(directory.as_ref());
    }
    require_bpf!();
    if !hachi_test::is_root() {
        hachi_test::skip!("needs root, to delegate its rights");
    }
    hachi_test::supported!(features::BPF_TOKEN.require());
    let directory = TempDir::new().unwrap();
    let target = match environment {
        Some(_) => directory.path(),
        None => Path::new("/sys/fs/bpf"),
    };
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, target);
    if let Some(name) = environment {
        command.env(name, target);
    }
    let output = run_delegated(&mut command, target, options).unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

const ALL: [(&str, &str); 4] = [
    ("delegate_cmds", "any"),
    ("delegate_maps", "any"),
    ("delegate_progs", "any"),
    ("delegate_attachs", "any"),
];

/// A program that reads a constant of its own, which takes a map, the object's types and a program.
fn runs(mut ebpf: Ebpf) {
    assert!(ebpf.btf_problem().is_none());
    let program = xdp(&mut ebpf, "reader");
    let frame = [0; 64];
    let run = program
        .test_run(&TestRunOptions::new().data(&frame))
        .unwrap();
    assert_eq!(run.return_value, 7);
    let id = program.attach("lo", XdpFlags::SKB_MODE).unwrap();
    program.detach(id).unwrap();
}

fn object() -> hachi::obj::Spec {
    let mut spec = support::with_global("SEVEN", 7);
    spec.btf = support::tracing::with_function("unused", "inner").btf;
    spec
}

#[test]
fn found_where_it_usually_is() {
    delegated("found_where_it_usually_is", &ALL, None, |_| {
        runs(load(object()));
        let token = BpfToken::find().unwrap();
        assert_eq!(token.path(), Path::new("/sys/fs/bpf"));
        assert_eq!(
            token.to_string(),
            "BPF token of /sys/fs/bpf (commands any; map types any; program types any; attach \
             types any)"
        );
        // With it, the kernel can be asked what it can do.
        assert!(features::ALL.iter().all(|feature| {
            feature.is_supported() == (support::running() >= feature.since())
                || ["kprobe", "netkit", "order"]
                    .iter()
                    .any(|optional| feature.name().contains(optional))
        }));
    });
}

#[test]
fn found_where_the_environment_says() {
    let variable = Some("HACHI_BPF_TOKEN_PATH");
    delegated("found_where_the_environment_says", &ALL, variable, |_| {
        runs(load(object()));
    });
}

#[test]
fn found_where_libbpf_finds_it() {
    let variable = Some("LIBBPF_BPF_TOKEN_PATH");
    delegated("found_where_libbpf_finds_it", &ALL, variable, |_| {
        runs(load(object()));
    });
}

#[test]
fn given_to_the_loader() {
    // Named for the test's own use: nobody looks there.
    let variable = Some("HACHI_TEST_UNUSED");
    delegated("given_to_the_loader", &ALL, variable, |path| {
        assert!(EbpfLoader::new().load_spec(object()).is_err());
        let token = BpfToken::create(path).unwrap();
        runs(
            EbpfLoader::new()
                .bpf_token(&token)
                .load_spec(object())
                .unwrap(),
        );
        // It counts for that object only.
        assert!(EbpfLoader::new().load_spec(object()).is_err());
    });
}

#[test]
fn errors_name_what_is_not_delegated() {
    let some = [
        ("delegate_cmds", "0x21"),
        ("delegate_maps", "0x4"),
        ("delegate_progs", "0x2"),
        ("delegate_attachs", "any"),
    ];
    let variable = Some("HACHI_BPF_TOKEN_PATH");
    delegated(
        "errors_name_what_is_not_delegated",
        &some,
        variable,
        |path| {
            let path = path.display();
            let refused = |text: String, what: &str| {
                let expected = format!("the BPF token of {path} does not allow {what}");
                assert!(text.contains(&expected), "{text}\n{expected}");
            };
            let map = |kind| spec(vec![MapSpec::new("M", kind, 4, 4, 1)], Vec::new());
            drop(load(map(MapType::Array)));
            refused(
                EbpfLoader::new()
                    .load_spec(map(MapType::LruHash))
                    .unwrap_err()
                    .to_string(),
                "maps of type lru_hash (mount option delegate_maps=lru_hash)",
            );
            let mut ebpf = load(one("pass", XDP_PASS));
            let program = ebpf.program_mut("pass").unwrap();
            refused(
                program.load().unwrap_err().to_string(),
                "programs of type xdp (mount option delegate_progs=xdp)",
            );
            refused(
                load(object()).btf_problem().unwrap().to_string(),
                "BPF_BTF_LOAD (mount option delegate_cmds=btf_load)",
            );
        },
    );
}

#[test]
fn nothing_delegated() {
    let variable = Some("HACHI_BPF_TOKEN_PATH");
    delegated("nothing_delegated", &[], variable, |path| {
        let error = BpfToken::create(path).unwrap_err().to_string();
        assert!(error.contains("delegates nothing"), "{error}");
        assert!(BpfToken::find().is_none());
        let error = EbpfLoader::new().load_spec(object()).unwrap_err();
        assert!(error.to_string().contains("EPERM"), "{error}");
    });
}

#[test]
fn file_systems_without_tokens() {
    require_bpf!();
    if hachi_test::kernel_is_older_than("6.9") {
        hachi_test::skip!("BPF tokens needs Linux ≥ 6.9");
    }
    let text = |path: &str| BpfToken::create(path).unwrap_err().to_string();
    assert!(text("/no/such").starts_with("no BPF token from /no/such: open failed: ENOENT"));
    assert!(text("/proc").contains("not a mounted BPF file system"));
    let bpffs = hachi_test::Bpffs::new().unwrap();
    let error = text(bpffs.path().to_str().unwrap());
    assert!(error.contains("user namespace of their own"), "{error}");
}
