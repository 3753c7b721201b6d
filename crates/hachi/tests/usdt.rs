//! USDT probes of this very program.
#![cfg(target_arch = "x86_64")]

mod support;

use std::{env, path::PathBuf, sync::atomic::AtomicU16};

use hachi::{
    Ebpf,
    links::OwnedLink,
    maps::Array,
    obj::{MapSpec, MapType, Spec},
    programs::{AttachOptions, Usdt},
};
use hachi_test::{exercises, require_bpf, usdt_probe};
use support::{
    load,
    tracing::{Observer, argument, cookie, get, seen, watching},
};

/// Raised by the kernel while somebody watches `hachi:with_semaphore`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".probes")]
static HACHI_SEMAPHORE: AtomicU16 = AtomicU16::new(0);

macro_rules! probe {
    ($name:literal, $semaphore:literal, $arguments:literal, $value:expr) => {
        // SAFETY: an instruction that does nothing.
        unsafe { usdt_probe!("hachi", $name, $semaphore, $arguments, in("rdi") $value) }
    };
}

#[inline(never)]
fn request(value: u64) {
    probe!("request", "0", "8@%rdi -4@\\044-42", value);
}

#[inline(never)]
fn request_elsewhere(value: u64) {
    probe!("request", "0", "-2@%di -4@\\044-42", value);
}

#[inline(never)]
fn watched(value: u64) {
    probe!("with_semaphore", "HACHI_SEMAPHORE", "8@%rdi", value);
}

#[inline(never)]
fn odd(value: u64) {
    probe!("odd", "0", "8@nonsense", value);
}

fn this() -> PathBuf {
    env::current_exe().unwrap()
}

/// With libbpf's maps. The value is the first argument, which all probes here have in a register.
fn object(section: &str, capacity: u32, value: &[hachi::obj::Insn]) -> Spec {
    object_with(section, capacity, value, 208)
}

/// With records of this size.
fn object_with(section: &str, capacity: u32, value: &[hachi::obj::Insn], size: u32) -> Spec {
    let program = Observer {
        value,
        ..Default::default()
    }
    .program("probe", section);
    let mut spec = watching(vec![program]);
    spec.maps.push(MapSpec::new(
        "__bpf_usdt_specs",
        MapType::Array,
        4,
        size,
        capacity,
    ));
    spec.maps.push(MapSpec::new(
        "__bpf_usdt_ip_to_spec_id",
        MapType::Hash,
        8,
        4,
        4 * capacity,
    ));
    spec
}

fn program(ebpf: &mut Ebpf) -> &mut Usdt {
    get(ebpf, "probe").try_into().unwrap()
}

/// The records that the kernel side would read.
fn spec(ebpf: &Ebpf, id: u32) -> Vec<u8> {
    let map = ebpf.map("__bpf_usdt_specs").unwrap().data();
    map.lookup_bytes(&id.to_ne_bytes(), 0).unwrap().unwrap()
}

/// The number of addresses in the table for kernels without cookies.
fn addresses(ebpf: &Ebpf) -> usize {
    let map = ebpf.map("__bpf_usdt_ip_to_spec_id").unwrap().data();
    map.iter_bytes().count()
}

#[test]
fn every_place_of_a_probe() {
    require_bpf!();
    let _row = exercises("usdt", "perf event");
    let mut ebpf = load(object("usdt", 4, &argument(14)));
    program(&mut ebpf).load().unwrap();
    let id = program(&mut ebpf)
        .attach(this(), "hachi", "request", Some(0), 0xc00c1e)
        .unwrap();
    request(11);
    assert_eq!(seen(&ebpf), (1, 11));
    request_elsewhere(22);
    assert_eq!(seen(&ebpf), (2, 22));
    watched(33);
    assert_eq!(seen(&ebpf).0, 2);
    // Two records, since the places differ in where they have the argument.
    let both = [spec(&ebpf, 0), spec(&ebpf, 1)];
    for record in &both {
        assert_eq!(record[192..200], 0xc00c1eu64.to_ne_bytes());
        assert_eq!(record[200..202], [2, 0]);
        assert_eq!(record[16..24], (-42i64).to_ne_bytes());
    }
    // The register's place, signed, and how far to shift.
    let first: Vec<_> = both.iter().map(|record| &record[12..16]).collect();
    assert!(first.contains(&&[112, 0, 0, 0][..]) && first.contains(&&[112, 0, 1, 48][..]));
    let by_address = hachi_test::kernel_is_older_than("5.15");
    assert_eq!(addresses(&ebpf), if by_address { 2 } else { 0 });

    program(&mut ebpf).detach(id).unwrap();
    request(1);
    assert_eq!((seen(&ebpf).0, addresses(&ebpf)), (2, 0));
    // The records are free again.
    for _ in 0..5 {
        let id = program(&mut ebpf)
            .attach(this(), "hachi", "request", Some(0), 0)
            .unwrap();
        program(&mut ebpf).detach(id).unwrap();
    }
}

/// Arguments of 24 bytes, of which the register's place is at 14.
#[test]
fn records_as_libbpf_1_7_lays_them_out() {
    require_bpf!();
    let mut ebpf = load(object_with("usdt", 4, &argument(14), 304));
    program(&mut ebpf).load().unwrap();
    program(&mut ebpf)
        .attach(this(), "hachi", "request", Some(0), 0xc00c1e)
        .unwrap();
    request(11);
    assert_eq!(seen(&ebpf), (1, 11));
    let record = spec(&ebpf, 0);
    assert_eq!(record[288..296], 0xc00c1eu64.to_ne_bytes());
    assert_eq!(record[296..298], [2, 0]);
    assert_eq!(record[24..32], (-42i64).to_ne_bytes());
    let both = [&record[14..18], &spec(&ebpf, 1)[14..18]];
    assert!(both.contains(&&[112, 0, 0, 0][..]) && both.contains(&&[112, 0, 1, 48][..]));
    let mut other = load(object_with("usdt", 4, &[], 200));
    program(&mut other).load().unwrap();
    let error = program(&mut other)
        .attach(this(), "hachi", "request", Some(0), 0)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("200") && error.contains("__bpf_usdt_specs"),
        "{error}"
    );
}

#[test]
fn sleepable() {
    require_bpf!();
    let _row = exercises("usdt.s", "perf event");
    let section = format!("usdt.s/{}:hachi:request", this().display());
    let mut ebpf = load(object(&section, 4, &argument(14)));
    attempt!(program(&mut ebpf).load());
    ebpf.attach_all(&AttachOptions::new()).unwrap();
    request(11);
    assert_eq!(seen(&ebpf), (1, 11));
}

#[test]
fn the_record_is_found_by_the_cookie() {
    require_bpf!();
    if hachi_test::kernel_is_older_than("5.15") {
        hachi_test::skip!("cookies need Linux ≥ 5.15");
    }
    let mut ebpf = load(object("usdt", 4, &cookie()));
    program(&mut ebpf).load().unwrap();
    let _other = program(&mut ebpf)
        .attach(this(), "hachi", "with_semaphore", None, 0)
        .unwrap();
    program(&mut ebpf)
        .attach(this(), "hachi", "request", None, 0)
        .unwrap();
    request(1);
    let first = seen(&ebpf).1;
    request_elsewhere(1);
    let second = seen(&ebpf).1;
    let mut ids = [first, second];
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn semaphores_are_raised_while_watched() {
    require_bpf!();
    let raised = || HACHI_SEMAPHORE.load(std::sync::atomic::Ordering::SeqCst);
    let before = raised();
    let section = format!("usdt/{}:hachi:with_semaphore", this().display());
    let mut ebpf = load(object(&section, 4, &argument(14)));
    let options = AttachOptions::new().pid(std::process::id());
    let all = ebpf.attach_all(&options).unwrap();
    assert_eq!(
        all.attached[0].1.target,
        format!("USDT probe hachi:with_semaphore of {}", this().display())
    );
    assert!(raised() > before);
    watched(5);
    assert_eq!(seen(&ebpf), (1, 5));
    let id = all.attached[0].1.link;
    let link = program(&mut ebpf).take_link(id).unwrap();
    assert!(matches!(link, OwnedLink::Legacy(_)));
    drop(link);
    watched(6);
    assert_eq!(seen(&ebpf).0, 1);
}

#[test]
fn probes_of_the_c_library() {
    require_bpf!();
    let mut ebpf = load(object("usdt", 64, &[]));
    program(&mut ebpf).load().unwrap();
    // Each setjmp(3) passes it, where the library was built with probes.
    match program(&mut ebpf).attach("libc.so.6", "libc", "setjmp", Some(0), 0) {
        Ok(_) => assert!(ebpf.map("__bpf_usdt_specs").is_ok()),
        Err(error) => assert!(
            error.to_string().contains("no USDT probe \"libc:setjmp\"")
                || cfg!(target_feature = "crt-static"),
            "{error}"
        ),
    }
}

#[test]
fn bad_input_is_named() {
    require_bpf!();
    let mut ebpf = load(object("usdt", 1, &[]));
    program(&mut ebpf).load().unwrap();
    odd(1);
    for (provider, name, expected) in [
        ("hachi", "requst", "no USDT probe \"hachi:requst\""),
        ("hachi", "requst", "did you mean \"hachi:request\"?"),
        ("hachi", "odd", "\"8@nonsense\" is not understood"),
        ("hachi", "request", "no room for more than 1 records"),
    ] {
        let error = program(&mut ebpf)
            .attach(this(), provider, name, Some(0), 0)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(program(&mut ebpf).links().count(), 0);
    }
    // The failure above has freed the one record.
    program(&mut ebpf)
        .attach(this(), "hachi", "with_semaphore", Some(0), 0)
        .unwrap();
    let mut bare = load(watching(vec![Observer::default().program("probe", "usdt")]));
    program(&mut bare).load().unwrap();
    let error = program(&mut bare)
        .attach(this(), "hachi", "request", None, 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("usdt.bpf.h"), "{error}");
    let specs: Result<Array<_, u64>, _> = ebpf.map("__bpf_usdt_specs").unwrap().try_into();
    assert!(specs.is_err(), "values have 208 bytes");
}
