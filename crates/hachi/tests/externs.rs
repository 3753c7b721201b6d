//! What objects leave to the running system: functions, variables and configuration options of the
//! kernel.
#![cfg(target_endian = "little")]

mod support;

use hachi::{
    EbpfError, EbpfLoader, Pod,
    maps::Array,
    programs::{AttachOptions, ProgramError, TestRunOptions},
};
use hachi_btf::{Kind, Types as _};
use hachi_test::{require_bpf, require_kernel, supported};

const OBJECT: &[u8] = include_bytes!("../../hachi-obj/tests/data/externs.bpfel.o");

/// `struct results` of the object.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Results {
    version: u32,
    hz: u32,
    absent: u32,
    bpf: u32,
    net: u32,
    inet: u32,
    cookie: u32,
    wrapper: u32,
    tomorrow: u32,
    acquired: u32,
    cpus: u32,
    active: u32,
    text: u64,
    hostname: [u8; 16],
}

// SAFETY: integers and bytes, without padding.
unsafe impl Pod for Results {}

/// Loads and attaches one program, has it run, and gives what it found.
fn run(loader: &mut EbpfLoader, program: &str) -> Result<Results, ProgramError> {
    let mut ebpf = loader.load(OBJECT).unwrap();
    let program = ebpf.program_mut(program).unwrap();
    program.load()?;
    program.attach_by_section(&AttachOptions::new())?;
    // A system call and a new task, which is what the programs watch.
    std::thread::spawn(|| ()).join().unwrap();
    Ok(ebpf.global("results").unwrap().get().unwrap())
}

fn refused(loader: &mut EbpfLoader, program: &str, words: &[&str]) {
    let error = run(loader, program).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "no {word} in: {error}");
    }
    assert!(error.contains(program), "{error}");
}

/// The kernel's own configuration, as somebody else reads it.
fn system_config() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let in_boot = format!("/boot/config-{}", release.trim());
    if let Ok(text) = std::fs::read_to_string(in_boot) {
        return Some(text);
    }
    let zcat = std::process::Command::new("zcat")
        .arg("/proc/config.gz")
        .output()
        .ok()?;
    zcat.status
        .success()
        .then(|| String::from_utf8(zcat.stdout).unwrap())
}

fn option<'c>(config: &'c str, name: &str) -> Option<&'c str> {
    config
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn options_of_the_running_kernel() {
    require_bpf!();
    let Some(config) = system_config() else {
        // In words, then.
        if !std::path::Path::new("/proc/config.gz").exists() {
            refused(
                &mut EbpfLoader::new(),
                "options",
                &["CONFIG_", "/boot/config-", "config.gz"],
            );
        }
        hachi_test::skip!("this kernel's configuration is not available here");
    };
    let found = run(&mut EbpfLoader::new(), "options").unwrap();
    let running = hachi::KernelVersion::current().unwrap();
    assert_eq!(found.version >> 8, running.code() >> 8);
    assert_eq!(found.hz.to_string(), option(&config, "CONFIG_HZ").unwrap());
    assert_eq!((found.bpf, found.net, found.inet), (1, 1, u32::from(b'y')));
    assert_eq!((found.absent, found.tomorrow), (0, 0));
    let since_5_15 = running >= hachi::KernelVersion::new(5, 15, 0);
    assert_eq!(found.cookie, u32::from(since_5_15));
    assert_eq!(found.wrapper, u32::from(cfg!(target_arch = "x86_64")));
    let end = found.hostname.iter().position(|&byte| byte == 0).unwrap();
    let hostname = format!(
        "\"{}\"",
        std::str::from_utf8(&found.hostname[..end]).unwrap()
    );
    assert_eq!(
        hostname,
        option(&config, "CONFIG_DEFAULT_HOSTNAME").unwrap()
    );
}

#[test]
fn options_given() {
    require_bpf!();
    let all = "CONFIG_BPF_SYSCALL=n\nCONFIG_NET=m\nCONFIG_INET=m\n# CONFIG_X is not set\n";
    let text = format!(
        "{all}CONFIG_HZ=0x3e8\nCONFIG_HACHI_NO_SUCH_OPTION=7\nCONFIG_DEFAULT_HOSTNAME=\"a host of \
         much too long a name\"\nCONFIG_HZ=2\nCONFIG_HACHI_MISSING_OPTION=3"
    );
    let found = run(EbpfLoader::new().kernel_config(&text), "options").unwrap();
    assert_eq!((found.hz, found.absent), (1000, 7));
    assert_eq!((found.bpf, found.net, found.inet), (0, 2, u32::from(b'm')));
    assert_eq!(&found.hostname, b"a host of much \0");
    run(EbpfLoader::new().kernel_config(&text), "missing_option").unwrap();

    // Constant for everybody.
    let mut ebpf = EbpfLoader::new().kernel_config(&text).load(OBJECT).unwrap();
    let map = ebpf.map_mut(".kconfig").unwrap();
    assert_eq!(map.data().flags(), 1 << 7, "BPF_F_RDONLY_PROG");
    let mut values = Array::<_, [u8; 45]>::try_from(map).unwrap();
    values.set(0, [0; 45], 0).unwrap_err();

    let text = format!("{all}CONFIG_HZ=y\nCONFIG_HACHI_MISSING_OPTION=3");
    let mut loader = EbpfLoader::new();
    refused(
        loader.kernel_config(&text),
        "options",
        &["\"CONFIG_HZ\"", "value y", "`bool`"],
    );
    run(&mut loader, "missing_option").unwrap();
    let error = loader.kernel_config("CONFIG_HZ").load(OBJECT).unwrap_err();
    let EbpfError::KernelConfig(wrong) = &error else {
        panic!("{error}")
    };
    assert_eq!((wrong.line, wrong.text.as_str()), (1, "CONFIG_HZ"));
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn only_programs_that_use_it_need_it() {
    require_bpf!();
    let mut ebpf = EbpfLoader::new().load(OBJECT).unwrap();
    for (program, words) in [
        (
            "missing_option",
            ["\"CONFIG_HACHI_MISSING_OPTION\"", "weak"],
        ),
        (
            "missing_variable",
            ["variable \"hachi_missing_variable\"", "weak"],
        ),
        (
            "missing_symbol",
            ["\"hachi_missing_symbol\"", "/proc/kallsyms"],
        ),
        (
            "missing_function",
            ["function \"hachi_missing_function\"", "weak"],
        ),
    ] {
        let error = ebpf.program_mut(program).unwrap().load().unwrap_err();
        let error = error.to_string();
        for word in [words[0], words[1], program] {
            assert!(error.contains(word), "no {word} in: {error}");
        }
    }
}

fn kernel_has_types_of_variables() -> bool {
    let kernel = hachi::Btf::from_sys_fs().unwrap();
    kernel.types().find("runqueues", Kind::Var).is_some()
}

#[test]
fn variables_of_the_kernel() {
    require_bpf!();
    let found = match run(&mut EbpfLoader::new(), "variables") {
        // Functions only, without the names of data.
        Err(error) if !kallsyms().contains(" runqueues\n") => {
            assert!(error.to_string().contains("CONFIG_KALLSYMS_ALL"), "{error}");
            hachi_test::skip!("this kernel was built without CONFIG_KALLSYMS_ALL");
        }
        // As Debian's 5.10, whose pahole left them out.
        Err(error) if !kernel_has_types_of_variables() => {
            assert!(error.to_string().contains("(in BTF)"), "{error}");
            hachi_test::skip!("this kernel was built without types of its variables");
        }
        found => found.unwrap(),
    };
    // Processor 0, and nothing that runs inside of this program.
    assert_eq!(found.cpus, 1);
    assert!(found.active >= 1);
}

#[test]
fn symbols_of_the_kernel() {
    require_bpf!();
    let found = run(&mut EbpfLoader::new(), "symbols").unwrap();
    let kallsyms = kallsyms();
    let mut lines = kallsyms.lines();
    let line = lines.find(|line| line.ends_with(" T _stext")).unwrap();
    assert_eq!(format!("{:016x}", found.text), line[..16]);
}

fn kallsyms() -> String {
    std::fs::read_to_string("/proc/kallsyms").unwrap()
}

#[test]
fn functions_of_the_kernel() {
    require_bpf!();
    require_kernel!("6.2", "bpf_rcu_read_lock");
    let found = supported!(run(&mut EbpfLoader::new(), "functions"));
    assert!(found.acquired >= 1);
}

/// Connection tracking is a module on most kernels.
#[test]
fn functions_of_modules() {
    require_bpf!();
    require_kernel!("6.0", "bpf_xdp_ct_lookup");
    let mut ebpf = EbpfLoader::new().load(OBJECT).unwrap();
    let program = ebpf.program_mut("tracked").unwrap();
    match program.load() {
        Err(error) if error.to_string().contains("nor a loaded module has") => {
            hachi_test::skip!("module nf_conntrack is not loaded");
        }
        result => result.unwrap(),
    }
    let options = TestRunOptions::new().data(&[0; 64]);
    assert_eq!(program.test_run(&options).unwrap().return_value, 2);
    let found: Results = ebpf.global("results").unwrap().get().unwrap();
    assert_eq!(
        found.text as i64,
        -i64::from(libc::ENOENT),
        "no such connection"
    );
}

#[test]
fn functions_that_are_not_there_or_others() {
    require_bpf!();
    let mut loader = EbpfLoader::new();
    let mut ebpf = loader.load(OBJECT).unwrap();
    let error = ebpf.program_mut("unguarded").unwrap().load().unwrap_err();
    let ProgramError::LoadError(rejection) = &error else {
        panic!("{error}");
    };
    let explanation = rejection.explain();
    assert_eq!(explanation.code.unwrap().name(), "missing-kfunc");
    assert!(
        explanation.headline.contains("`hachi_no_such_function`"),
        "{explanation:?}"
    );
    require_kernel!("6.2", "bpf_rcu_read_lock");
    refused(
        &mut loader,
        "wrong_function",
        &["\"bpf_rcu_read_lock\"", "(int", "void"],
    );
}
