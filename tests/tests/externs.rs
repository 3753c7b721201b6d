//! What Rust programs leave to the running system: functions, variables and configuration options
//! of the kernel.

use hachi::maps::Array;
use hachi::programs::{AttachOptions, ProgramError, TestRunOptions};
use hachi::{Ebpf, EbpfLoader, KernelVersion};
use hachi_test::{kernel_is_older_than, require_bpf, require_kernel, skip};
use hachi_tests::fixture_with;

/// `Results` of the fixture.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Results {
    version: u32,
    hz: u32,
    hostname: [u8; 16],
    net: u32,
    flags: u32,
    acquired: u32,
    cpus: u32,
    text: u64,
}

// SAFETY: integers and bytes, without padding.
unsafe impl hachi::Pod for Results {}

/// Loads and attaches one program, has it run, and gives what it found.
fn run(ebpf: &mut Ebpf, program: &str) -> Result<Results, ProgramError> {
    let program = ebpf.program_mut(program).unwrap();
    program.load()?;
    program.attach_by_section(&AttachOptions::new())?;
    // A system call and a new task, which is what the programs watch.
    std::thread::spawn(|| ()).join().unwrap();
    let results = Array::<_, Results>::try_from(ebpf.map("RESULTS").unwrap()).unwrap();
    Ok(results.get(&0, 0).unwrap())
}

const CONFIG: &str = "CONFIG_HZ=123
CONFIG_DEFAULT_HOSTNAME=\"hive\"
CONFIG_NET=m
CONFIG_INET=y
CONFIG_BPF_SYSCALL=y
";

#[test]
fn options() {
    require_bpf!();
    for variant in [&[][..], &["--debug"]] {
        let mut loader = EbpfLoader::new();
        let mut ebpf = loader
            .kernel_config(CONFIG)
            .load_file(fixture_with("externs", variant))
            .unwrap();
        let found = run(&mut ebpf, "options").unwrap();
        let running = KernelVersion::current().unwrap();
        assert_eq!(found.version >> 8, running.code() >> 8);
        assert_eq!((found.hz, found.net, found.flags), (123, 2, 0b101));
        assert_eq!(&found.hostname, b"hive\0\0\0\0\0\0\0\0\0\0\0\0");
        let error = run(&mut ebpf, "missing_option").unwrap_err().to_string();
        assert!(error.contains("CONFIG_HACHI_MISSING_OPTION"), "{error}");
    }
}

#[test]
fn symbols_and_variables() {
    require_bpf!();
    let kallsyms = std::fs::read_to_string("/proc/kallsyms").unwrap();
    for variant in [&[][..], &["--debug"]] {
        let mut ebpf = Ebpf::load_file(fixture_with("externs", variant)).unwrap();
        let found = run(&mut ebpf, "symbols").unwrap();
        let expected = format!("{:016x} T _stext\n", found.text);
        assert!(kallsyms.contains(&expected), "{expected}");
        if !kallsyms.contains(" runqueues\n") {
            skip!("this kernel was built without CONFIG_KALLSYMS_ALL");
        }
        let found = match run(&mut ebpf, "variables") {
            // As Debian's 5.10, whose pahole left them out.
            Err(error) if kernel_is_older_than("6.1") && error.to_string().contains("in BTF") => {
                skip!("this kernel was built without types of its variables")
            }
            found => found.unwrap(),
        };
        assert_eq!(found.cpus, 1);
    }
}

#[test]
fn functions() {
    require_bpf!();
    require_kernel!("6.2", "bpf_rcu_read_lock");
    for variant in [&[][..], &["--debug"]] {
        let mut ebpf = Ebpf::load_file(fixture_with("externs", variant)).unwrap();
        assert!(run(&mut ebpf, "functions").unwrap().acquired >= 1);
        let error = run(&mut ebpf, "missing_function").unwrap_err().to_string();
        assert!(error.contains("\"hachi_missing_function\""), "{error}");
    }
}

/// Functions that a module brings, or that are built in.
#[test]
fn functions_of_modules() {
    require_bpf!();
    require_kernel!("6.1", "bpf_xdp_ct_lookup");
    for variant in [&[][..], &["--debug"]] {
        let mut ebpf = Ebpf::load_file(fixture_with("externs", variant)).unwrap();
        let program = ebpf.program_mut("connection").unwrap();
        program.load().unwrap();
        let options = TestRunOptions::new().data(&[0; 64]);
        match program.test_run(&options).unwrap().return_value {
            3 => skip!("nothing tracks connections here: the module nf_conntrack is not loaded"),
            found => assert_eq!(found, 2),
        }
    }
}
