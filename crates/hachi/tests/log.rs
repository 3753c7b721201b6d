//! Log messages, from a program's ring buffer to text.

mod support;

use std::{os::fd::AsFd as _, sync::Mutex, time::Duration};

use hachi::{
    Ebpf, EbpfLogger, EbpfLoggerError,
    log_format::{LOST_MAP, Level, RING_MAP, SiteBytes, Sites, Tag, site_len},
    maps::{Array, MapData},
    obj::{Insn, MapSpec, MapType, Spec},
    programs::TestRunOptions,
};
use hachi_asm::{Imm64, Size, build};
use hachi_test::require_bpf;
use support::{load, program, spec, xdp};

const FORMAT: &str = "port {} is {:x}";
const SITE_LEN: usize = site_len("fw::rules", "src/main.rs", FORMAT);
static SITE: SiteBytes<SITE_LEN> =
    SiteBytes::new(Level::Warn, 2, 42, "fw::rules", "src/main.rs", FORMAT);

/// A program that logs `FORMAT` of site `number` with the arguments 80 (u16) and 255 (u64).
fn logging(number: u32) -> Spec {
    let bytes = {
        let mut record = Vec::new();
        record.extend(number.to_le_bytes());
        record.extend(24u16.to_le_bytes());
        record.extend([2, 0]);
        record.extend([Tag::U16 as u8, Tag::U64 as u8, 0, 0, 0, 0, 0, 0]);
        record.extend(80u64.to_le_bytes());
        record.extend(255u64.to_le_bytes());
        record
    };
    let mut insns: Vec<Insn> = Vec::new();
    for (index, word) in bytes.chunks_exact(8).enumerate() {
        let word = u64::from_ne_bytes(word.try_into().unwrap());
        insns.extend(build::ld_imm64(1, Imm64::Value(word)));
        insns.push(build::store(Size::Dw, 10, -32 + 8 * index as i16, 1));
    }
    insns.extend([
        build::mov(2, 10),
        build::add_imm(2, -32),
        build::mov_imm(3, 32),
        build::mov_imm(4, 0),
    ]);
    let at = insns.len();
    insns.extend(support::map_address(1));
    insns.extend([build::call_helper(support::RINGBUF_OUTPUT), build::exit()]);
    let maps = vec![
        MapSpec::new(RING_MAP, MapType::Ringbuf, 0, 0, 4096),
        MapSpec::new(LOST_MAP, MapType::PercpuArray, 4, 8, 1),
    ];
    let mut spec = spec(maps, vec![program("log", "xdp", insns, &[(at, RING_MAP)])]);
    spec.log_sites = Some(SITE.as_bytes().to_vec());
    spec
}

fn fire(ebpf: &Ebpf) {
    let options = TestRunOptions::new().data(&[0; 64]);
    ebpf.program("log").unwrap().test_run(&options).unwrap();
}

const SOON: Duration = Duration::from_secs(5);

#[test]
fn messages_become_text() {
    require_bpf!();
    let mut ebpf = load(logging(SITE.number()));
    xdp(&mut ebpf, "log");
    let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
    assert_eq!(logger.next_timeout(Duration::ZERO).unwrap(), None);
    fire(&ebpf);
    let record = logger.next_timeout(SOON).unwrap().unwrap();
    assert_eq!(record.message(), "port 80 is ff");
    assert_eq!(
        (record.level(), record.target()),
        (log::Level::Warn, "fw::rules")
    );
    assert_eq!((record.file(), record.line()), ("src/main.rs", 42));
    assert_eq!(logger.lost().unwrap(), 0);

    fire(&ebpf);
    fire(&ebpf);
    let mut texts = Vec::new();
    assert_eq!(
        logger.read(|message| texts.push(message.unwrap().to_string())),
        2
    );
    assert_eq!(texts, ["port 80 is ff"; 2]);
    let _: std::os::fd::BorrowedFd<'_> = logger.as_fd();

    // There is one logger for an object.
    assert!(matches!(
        EbpfLogger::init(&mut ebpf),
        Err(EbpfLoggerError::NothingToLog { .. })
    ));
    let mut silent = load(support::one("quiet", 2));
    let error = EbpfLogger::init(&mut silent).unwrap_err().to_string();
    assert!(error.contains("no map HACHI_LOG"), "{error}");
}

#[test]
fn records_of_another_object_are_errors() {
    require_bpf!();
    let mut ebpf = load(logging(4096));
    xdp(&mut ebpf, "log");
    let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
    fire(&ebpf);
    let error = logger.next_timeout(SOON).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("0x00001000"), "{error}");
}

#[test]
fn a_pinned_log_is_read_by_its_parts() {
    require_bpf!();
    let mut ebpf = load(logging(SITE.number()));
    xdp(&mut ebpf, "log");
    let open = |name: &str| {
        let id = ebpf.map(name).unwrap().data().info().unwrap().id();
        MapData::from_id(id).unwrap()
    };
    let sites = Sites::new(SITE.as_bytes().to_vec());
    let mut logger = EbpfLogger::from_parts(open(RING_MAP), Some(open(LOST_MAP)), sites).unwrap();
    fire(&ebpf);
    assert_eq!(
        logger.next_timeout(SOON).unwrap().unwrap().message(),
        "port 80 is ff"
    );
    let wrong = EbpfLogger::from_parts(open(LOST_MAP), None, Sites::default()).unwrap_err();
    assert!(wrong.to_string().contains("ringbuf"), "{wrong}");
}

/// Everything the `log` crate was given, as text.
struct Collector(Mutex<Vec<String>>);

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "fw::rules" || record.args().to_string().contains("were lost") {
            let place = format!(
                "{}:{}",
                record.file().unwrap_or("?"),
                record.line().unwrap_or(0)
            );
            self.0
                .lock()
                .unwrap()
                .push(format!("{} {place} {}", record.level(), record.args()));
        }
    }
    fn flush(&self) {}
}

#[test]
fn messages_reach_the_log_crate() {
    require_bpf!();
    if !support::apart("messages_reach_the_log_crate") {
        return;
    }
    static COLLECTOR: Collector = Collector(Mutex::new(Vec::new()));
    log::set_logger(&COLLECTOR).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let mut ebpf = load(logging(SITE.number()));
    xdp(&mut ebpf, "log");
    // As if the program had found the ring buffer full on one CPU.
    let lost = ebpf.map_mut(LOST_MAP).unwrap().data_mut();
    let mut counts = vec![0; lost.lookup_size().unwrap()];
    counts[0] = 3;
    lost.update_bytes(&[0; 4], &counts, 0).unwrap();

    let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
    fire(&ebpf);
    assert!(logger.wait(Some(SOON)).unwrap());
    assert_eq!(logger.flush(), 1);
    assert_eq!(logger.flush(), 0);
    let text = COLLECTOR.0.lock().unwrap().clone();
    assert_eq!(text.len(), 2, "{text:?}");
    assert_eq!(text[0], "WARN src/main.rs:42 port 80 is ff");
    assert!(
        text[1].ends_with("3 log messages were lost: the ring buffer was full"),
        "{text:?}"
    );

    // From a thread of its own.
    logger.spawn().unwrap();
    // Until this process ends, and that is another than the other tests'.
    hachi_test::allow_open_descriptors();
    fire(&ebpf);
    let deadline = std::time::Instant::now() + SOON;
    while COLLECTOR.0.lock().unwrap().len() < 3 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(
        COLLECTOR.0.lock().unwrap()[2],
        "WARN src/main.rs:42 port 80 is ff"
    );
}

#[test]
fn the_level_is_a_constant_of_the_program() {
    require_bpf!();
    let mut object = support::with_global("HACHI_LOG_LEVEL", 5);
    object.globals[0].size = 1;
    let ebpf = hachi::EbpfLoader::new()
        .log_level(log::LevelFilter::Warn)
        .load_spec(object)
        .unwrap();
    let rodata: Array<_, u64> = ebpf.map(".rodata").unwrap().try_into().unwrap();
    assert_eq!(rodata.get(&0, 0).unwrap().to_ne_bytes()[4], 2);
}
