//! Commands that ask the kernel: check, run, prog, map, link, pin, unpin.

mod support;

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hachi::programs::{Xdp, XdpFlags};
use hachi_obj::{MapSpec, MapType};
use hachi_test::{Bpffs, Guarded, Netns, TempDir, VethPair, require_bpf, skip};
use serde_json::Value;
use support::{Run, alone, command, hachi, keys, object, run};

/// The command in another network namespace.
fn inside(netns: &Netns, arguments: &[&str]) -> Command {
    let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1");
    command
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn check_accepts_a_good_program() {
    require_bpf!();
    let watcher = object("watcher");
    hachi(["check".as_ref(), watcher.as_os_str()])
        .code(0)
        .prints(&["watcher (xdp): accepted"]);
    let document = hachi(["check".as_ref(), "--json".as_ref(), watcher.as_os_str()])
        .code(0)
        .json();
    assert_eq!(keys(&document), ["accepted", "objects", "reason"]);
    assert_eq!(document["accepted"], true);
    let program = &document["objects"][0]["programs"][0];
    assert_eq!(
        keys(program),
        [
            "diagnostics",
            "error",
            "log",
            "name",
            "section",
            "stats",
            "target_problem",
            "type",
            "verdict",
            "verified_insns"
        ]
    );
    assert_eq!(program["verdict"], "accepted");
}

/// Bytes with another text of the same length wherever there is this one.
fn replaced(mut bytes: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    let mut rest = &mut bytes[..];
    while let Some(at) = rest
        .windows(old.len())
        .position(|text| text == old.as_bytes())
    {
        let (found, behind) = rest[at..].split_at_mut(old.len());
        found.copy_from_slice(new.as_bytes());
        rest = behind;
    }
    bytes
}

#[test]
fn a_map_sized_by_its_loader_is_judged_with_room_for_one_element() {
    require_bpf!();
    let object = object("unsized");
    hachi(["check".as_ref(), object.as_os_str()])
        .code(0)
        .prints(&["unsized (xdp): accepted"])
        .says(&["judged with room for one element in LEFT_OPEN, whose size is left to the loader"]);
}

#[test]
fn check_tells_of_targets_that_are_not_there() {
    require_bpf!();
    let dir = TempDir::new().unwrap();
    let misspelt = std::fs::read(object("places")).unwrap();
    let misspelt = replaced(misspelt, "sched_process_fork", "sched_process_fokr");
    let misspelt = replaced(misspelt, "sched_process_exit", "sched_process_eixt");
    let misspelt = replaced(misspelt, "syscall/getpgid", "syscall/getpgdi");
    let path = dir.join("misspelt.o");
    std::fs::write(&path, misspelt).unwrap();
    let names = ["--program=forked", "--program=exited", "--program=entered"];
    let check = |path: &Path, more: &[&str]| {
        let arguments = ["check", text(path)];
        hachi(arguments.iter().chain(&names).chain(more))
    };
    let run = check(&path, &[]).code(0);
    let run = run.says(&[
        "it cannot be attached here",
        "sched/sched_process_fokr",
        "sched_process_fork",
        "sched_process_eixt",
        "sched_process_exit",
        "sys_getpgdi",
        "sys_getpgid",
    ]);
    run.prints(&["forked (tracepoint/sched/sched_process_fokr): accepted"]);
    let document = check(&path, &["--json"]).code(0).json();
    let problems = |document: &Value| {
        let programs = document["objects"][0]["programs"].as_array().unwrap();
        programs
            .iter()
            .filter(|program| program["target_problem"].is_string())
            .count()
    };
    assert_eq!(problems(&document), 3);
    let right = check(&object("places"), &["--json"]).code(0).json();
    assert_eq!(problems(&right), 0, "{right}");
}

/// `docs/veristat.md` says which figure is which of the log's.
#[test]
fn figures_are_those_of_the_log() {
    require_bpf!();
    let mut compared = 0;
    for name in ["watcher", "tables", "talker", "settings", "rejected"] {
        let object = object(name);
        let run = hachi(["check".as_ref(), "--json".as_ref(), object.as_os_str()]);
        let lines = run.json_lines();
        let document = lines.last().unwrap();
        for program in document["objects"][0]["programs"].as_array().unwrap() {
            let log = program["log"].as_str().unwrap();
            // The number after, or before, some words of the log.
            let number = |words: &str| -> Option<u64> {
                let rest = &log[log.rfind(words)? + words.len()..];
                rest.split(|c: char| !c.is_ascii_digit())
                    .next()?
                    .parse()
                    .ok()
            };
            let stats = &program["stats"];
            for (figure, words) in [
                ("insns", "processed "),
                ("total_states", "total_states "),
                ("peak_states", "peak_states "),
                ("micros", "verification time "),
            ] {
                let expected = number(words).map_or(Value::Null, Value::from);
                assert_eq!(
                    stats[figure], expected,
                    "{name}: {}, {figure}",
                    program["name"]
                );
            }
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}

/// Each function of `programs/rejected.rs` is rejected, with the code and on the line that its
/// comment says.
#[test]
fn check_explains_each_rejection() {
    require_bpf!();
    let source = include_str!("programs/rejected.rs");
    let mut expected = Vec::new();
    let mut function = "";
    for (line, text) in (1u64..).zip(source.lines()) {
        if let Some(rest) = text.strip_prefix("fn ") {
            function = rest.split('(').next().unwrap();
        }
        if let Some((_, code)) = text.split_once(" //~ ").filter(|_| !text.starts_with("//")) {
            expected.push((function, code.trim(), line));
        }
    }
    assert!(expected.len() >= 10);

    let run = hachi([
        "check".as_ref(),
        "--json".as_ref(),
        object("rejected").as_os_str(),
    ])
    .code(1);
    let lines = run.json_lines();
    let (document, messages) = lines.split_last().unwrap();
    assert_eq!(document["accepted"], false);
    let programs = document["objects"][0]["programs"].as_array().unwrap();
    for (function, code, line) in expected {
        let program = programs
            .iter()
            .find(|program| program["name"] == function)
            .unwrap_or_else(|| panic!("no program {function}"));
        assert_eq!(program["verdict"], "rejected", "{function}");
        let diagnostic = &program["diagnostics"][0];
        let told = |message: &&Value| message["message"]["message"] == diagnostic["message"];
        let message = messages.iter().find(told).unwrap();
        assert_eq!(message["reason"], "compiler-message");
        assert_eq!(message["message"]["code"], diagnostic["code"]);
        assert_eq!(
            diagnostic["code"]["code"], code,
            "{function}: {diagnostic:#}"
        );
        let span = &diagnostic["spans"][0];
        assert_eq!(span["is_primary"], true);
        assert_eq!(span["line_start"], line, "{function}: {diagnostic:#}");
        assert!(span["file_name"].as_str().unwrap().ends_with("rejected.rs"));
        let children = diagnostic["children"].as_array().unwrap();
        assert!(children.iter().any(|child| child["level"] == "help"));
        let rendered = diagnostic["rendered"].as_str().unwrap();
        assert!(rendered.starts_with(&format!("error[{code}]: program `{function}`")));
        assert!(!program["log"].as_str().unwrap().is_empty());
    }
}

#[test]
fn check_prints_explanations_like_a_compiler() {
    require_bpf!();
    let rejected = object("rejected");
    let arguments = ["check", text(&rejected), "--program", "short_check"];
    let brief = hachi(arguments)
        .code(1)
        .prints(&["short_check (xdp): rejected"])
        .says(&[
            "error[packet-bounds]: program `short_check`",
            "rejected.rs:",
            "14 bytes are proven",
            "the kernel says: invalid access to packet",
            "= help: ",
        ]);
    assert!(!brief.stderr.contains("processed "), "the log only with -v");
    hachi(arguments.iter().chain(&["-v"]))
        .code(1)
        .says(&["verifier log of short_check", "processed "]);
    // Twice: each instruction, of accepted programs, too; which is what heat is made of.
    let watcher = object("watcher");
    let whole = hachi(["check", text(&watcher), "-vv"])
        .code(0)
        .says(&["verifier log of watcher:", "0: (bf) r6 = r1"]);
    let dir = TempDir::new().unwrap();
    let log = dir.join("log");
    std::fs::write(&log, whole.stderr).unwrap();
    hachi([
        "dis",
        text(&watcher),
        "--graph",
        "calls",
        "--heat",
        text(&log),
    ])
    .code(0)
    .prints(&["watcher (xdp)  (100 %)"]);
}

/// A copy of the command (and the object) that anyone may run, since others may not look into our
/// directories.
fn as_nobody(dir: &TempDir, arguments: &[&str]) -> Run {
    let everyone = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), everyone).unwrap();
    let program = alone(dir.path());
    std::fs::copy(object("watcher"), dir.join("watcher.o")).unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(dir.path())
        .stdin(Stdio::null());
    run(command.uid(65534).gid(65534).env("NO_COLOR", "1"))
}

#[test]
fn without_privileges_the_machine_is_to_blame() {
    if !hachi_test::is_root() {
        skip!("only root can become somebody else");
    }
    let dir = TempDir::new().unwrap();
    as_nobody(&dir, &["check", "watcher.o"])
        .code(3)
        .says(&["CAP_BPF", "sudo"]);
    as_nobody(&dir, &["run", "watcher.o", "--iface", "lo"])
        .code(3)
        .says(&["CAP_BPF", "sudo"]);
    for list in [["prog", "list"], ["map", "list"], ["link", "list"]] {
        as_nobody(&dir, &list).code(3).says(&["EPERM"]);
    }
    as_nobody(&dir, &["doctor", "--run"])
        .code(3)
        .prints(&["CAP_BPF", "fix:", "sudo"]);
    // Reading files needs nothing.
    as_nobody(&dir, &["inspect", "watcher.o"]).code(0);
    as_nobody(&dir, &["dis", "watcher.o"]).code(0);
}

#[test]
fn run_says_what_it_needs() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let watcher = object("watcher");
    let with = |rest: &[&str]| {
        let mut arguments = vec!["run", text(&watcher)];
        arguments.extend(rest);
        run(&mut inside(&netns, &arguments))
    };
    with(&[]).code(2).says(&["watcher", "--iface"]);
    with(&["--iface", "nowhere0"])
        .code(1)
        .says(&["nowhere0", "lo"]);
    with(&["--iface", "lo", "--mode", "driver"])
        .code(1)
        .says(&["\"lo\"", "--mode skb"]);
    with(&["--iface", "lo", "--program", "missing"])
        .code(2)
        .says(&["missing", "watcher"]);
    with(&["--iface", "lo", "--set", "TALKATIVE"])
        .code(2)
        .says(&["NAME=VALUE"]);
    with(&["--iface", "lo", "--set", "TALKATIVE=300"])
        .code(2)
        .says(&["300", "from 0 to 255"]);
    with(&["--iface", "lo", "--set", "LOUD=1"])
        .code(2)
        .says(&["LOUD", "TALKATIVE"]);
    with(&["--iface", "lo", "--duration", "soon"])
        .code(2)
        .says(&["soon", "seconds"]);
    with(&["--iface", "lo", "--pin", "/tmp/not-a-bpffs"])
        .code(3)
        .says(&["/tmp/not-a-bpffs", "mount -t bpf"]);
    // Rejected programs are explained.
    let rejected = object("rejected");
    let arguments = [
        "run",
        text(&rejected),
        "--program",
        "endless",
        "--iface",
        "lo",
    ];
    run(&mut inside(&netns, &arguments))
        .code(1)
        .says(&["error[infinite-loop]", "rejected.rs:"]);
    run(&mut inside(
        &netns,
        &["run", text(&rejected), "--iface", "lo"],
    ))
    .code(2)
    .says(&["several", "--program"]);
}

#[test]
fn run_shows_logs_and_counts_until_interrupted() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let watcher = object("watcher");
    let mut command = inside(
        wire.right.netns(),
        &[
            "run",
            text(&watcher),
            "--iface",
            wire.right.interface(),
            "--set",
            "TALKATIVE=1",
        ],
    );
    let mut running =
        Guarded::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    // Wait for the attachment rather than for some time.
    let attached = || {
        let links = run(&mut inside(wire.right.netns(), &["link", "list", "--json"]))
            .code(0)
            .json();
        links["links"].as_array().unwrap().iter().any(|link| {
            link["program"] == "watcher" && link["target"]["name"] == wire.right.interface()
        })
    };
    for _ in 0..100 {
        if attached() {
            break;
        }
        assert!(running.is_running());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(attached());
    let answer = wire.left.ping(IpAddr::from(wire.right.ipv4()), 2).unwrap();
    assert!(answer.all_answered());
    std::thread::sleep(Duration::from_millis(200));
    let (status, output) = running.interrupt(Duration::from_secs(10)).unwrap();
    assert!(status.success(), "{output}");
    let from = format!("98 bytes of ICMP from {}", wire.left.ipv4());
    for words in [
        "attached watcher",
        "INFO",
        &from,
        "watcher.rs:",
        "SEEN: 2 events, 16 bytes",
        "detached",
    ] {
        assert!(output.contains(words), "no {words:?} in {output}");
    }
    assert!(!attached(), "it is detached afterwards");
}

/// The whole life of a pinned program, by commands alone.
#[test]
fn pin_list_dump_detach_unpin() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let netns = wire.right.netns();
    let dir = bpffs.join("watcher");
    let watcher = object("watcher");
    let iface = wire.right.interface();
    let arguments = [
        "run",
        text(&watcher),
        "--iface",
        iface,
        "--pin",
        text(&dir),
        "--duration",
        "0",
        "--json",
    ];
    let objects = run(&mut inside(netns, &arguments)).code(0).json_lines();
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!(keys(&objects[0]), ["iface", "program", "target", "type"]);
    assert_eq!(objects[0]["type"], "attached");
    assert_eq!(objects[0]["program"], "watcher");
    assert_eq!(
        keys(&objects[1]),
        ["attached", "lost", "messages", "pinned", "seconds", "type"]
    );
    assert_eq!(objects[1]["type"], "end");
    assert_eq!(objects[1]["attached"], true);
    assert_eq!(objects[1]["pinned"], text(&dir));
    let link = dir.join(format!("links/watcher-{iface}"));
    assert!(link.exists() && dir.join("maps/COUNTERS").exists());

    // It goes on without us, and cannot be attached twice.
    assert!(
        wire.left
            .ping(IpAddr::from(wire.right.ipv4()), 3)
            .unwrap()
            .all_answered()
    );
    run(&mut inside(
        netns,
        &["run", text(&watcher), "--iface", iface, "--duration", "0"],
    ))
    .code(1)
    .says(&[iface, "watcher", "hachi link detach"]);
    run(&mut inside(netns, &arguments))
        .code(1)
        .says(&["taken", "hachi unpin -r"]);
    assert!(link.exists(), "a failed second try leaves the first alone");

    // Listed by kernel objects, with the processes that have them open: us.
    let held = (
        hachi::links::PinnedLink::from_pin(&link).unwrap(),
        hachi::maps::MapData::from_pin(dir.join("maps/COUNTERS")).unwrap(),
    );
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let holder = format!("{}({})", comm.trim_end(), std::process::id());
    let programs = hachi(["prog", "list", "--type", "xdp", "--json"])
        .code(0)
        .json();
    let programs = programs["programs"].as_array().unwrap();
    let program = programs
        .iter()
        .find(|program| program["name"] == "watcher")
        .expect("our program");
    assert_eq!(
        keys(program),
        [
            "btf_id",
            "gpl_compatible",
            "id",
            "jited_bytes",
            "loaded_at_ns",
            "map_ids",
            "name",
            "pids",
            "run_count",
            "run_time_ns",
            "tag",
            "type",
            "uid",
            "verified_insns",
            "xlated_bytes"
        ]
    );
    assert_eq!(program["pids"][0]["pid"], std::process::id());
    assert_eq!(program["pids"][0]["comm"], comm.trim_end());
    hachi(["prog", "list"])
        .code(0)
        .prints(&["ID", "NAME", "watcher", &holder]);
    hachi(["map", "list"])
        .code(0)
        .prints(&["COUNTERS", "percpu_array", &holder]);
    hachi(["link", "list"])
        .code(0)
        .prints(&["watcher", &holder]);
    drop(held);

    // Dumped by type, by path, and by id.
    let lengths = dir.join("maps/LENGTHS");
    let dump = run(&mut command(["map", "dump", "--json", text(&lengths)]))
        .code(0)
        .json();
    assert_eq!(keys(&dump), ["entries", "map"]);
    let entry = &dump["entries"][0];
    assert_eq!(
        entry["key"],
        Value::from(wire.left.ipv4().octets().to_vec())
    );
    assert_eq!(entry["value"], 98);
    let counters = dir.join("maps/COUNTERS");
    let dump = hachi(["map", "dump", "--json", text(&counters)])
        .code(0)
        .json();
    let values = dump["entries"][0]["values"].as_array().unwrap();
    let packets: u64 = values
        .iter()
        .map(|value| value["packets"].as_u64().unwrap())
        .sum();
    assert!(packets >= 3, "{dump:#}");
    let id = dump["map"]["id"].to_string();
    hachi(["map", "dump", &id])
        .code(0)
        .prints(&["cpu 0: Counter { packets: "]);
    let ring = dir.join("maps/SEEN");
    hachi(["map", "dump", text(&ring)])
        .code(1)
        .says(&["SEEN", "ringbuf", "hachi run"]);
    hachi(["map", "dump", "NO_SUCH_MAP"])
        .code(1)
        .says(&["NO_SUCH_MAP", "hachi map list"]);
    hachi(["map", "dump", "4294967295"])
        .code(1)
        .says(&["4294967295"]);
    let absent = dir.join("maps/ABSENT");
    hachi(["map", "dump", text(&absent)])
        .code(1)
        .says(&["ABSENT", "nothing is pinned"]);

    // Pinned once more elsewhere, then by id, and taken apart.
    let links = run(&mut inside(netns, &["link", "list", "--json"]))
        .code(0)
        .json();
    let links = links["links"].as_array().unwrap();
    let ours = links
        .iter()
        .find(|link| link["target"]["name"] == iface)
        .expect("our link");
    assert_eq!(
        keys(ours),
        [
            "attach_type",
            "id",
            "pids",
            "program",
            "program_id",
            "target",
            "type"
        ]
    );
    assert_eq!(ours["type"], "xdp");
    let (program_id, link_id) = (ours["program_id"].to_string(), ours["id"].to_string());
    let second = bpffs.join("second");
    hachi(["pin", "prog", &program_id, text(&second)]).code(0);
    hachi(["pin", "prog", &program_id, text(&second)])
        .code(1)
        .says(&["second", "taken"]);
    hachi(["unpin", text(&second)])
        .code(0)
        .prints(&["unpinned"]);
    hachi(["unpin", text(&second)])
        .code(1)
        .says(&["second", "nothing is pinned"]);
    let third = bpffs.join("third");
    hachi(["pin", "link", &link_id, text(&third)]).code(0);
    hachi(["pin", "map", &id, text(&bpffs.join("map"))]).code(0);

    hachi(["unpin", text(&dir)])
        .code(1)
        .says(&["directory", "hachi unpin -r"]);
    hachi(["unpin", "--recursive", text(&dir)])
        .code(0)
        .prints(&["links/watcher-", "COUNTERS"]);
    assert!(!dir.exists());
    // The other pin still holds the link; detaching ends it all the same.
    hachi(["link", "detach", text(&third)])
        .code(0)
        .prints(&["detached"]);
    let links = run(&mut inside(netns, &["link", "list", "--json"]))
        .code(0)
        .json();
    let left = links["links"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|link| link["target"]["name"] == iface);
    assert_eq!(left.count(), 0);
    run(&mut inside(netns, &["link", "detach", "--iface", iface]))
        .code(1)
        .says(&["no XDP program", iface]);
    run(&mut inside(
        netns,
        &["link", "detach", "--iface", "nowhere0"],
    ))
    .code(1)
    .says(&["nowhere0", "ip link"]);
}

/// A program that nothing but its interface holds, as one of `ip link set … xdp`: named, though it
/// is gone by then.
#[test]
fn detaching_an_interface_names_the_program() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut ebpf = hachi::Ebpf::load_file(object("watcher")).unwrap();
    let program: &mut Xdp = ebpf.program_mut("watcher").unwrap().try_into().unwrap();
    program.load().unwrap();
    let by_netlink = XdpFlags::SKB_MODE | XdpFlags::REPLACE;
    let id = netns.run(|| program.attach("lo", by_netlink)).unwrap();
    program.take_link(id).unwrap().keep().unwrap();
    drop(ebpf);
    run(&mut inside(&netns, &["link", "list"]))
        .code(0)
        .prints(&["watcher", "by netlink"]);
    run(&mut inside(&netns, &["link", "detach", "--iface", "lo"]))
        .code(0)
        .prints(&["detached program watcher from lo"]);
}

#[test]
fn unpin_does_not_touch_other_file_systems() {
    let dir = TempDir::new().unwrap();
    let file = dir.join("file");
    std::fs::write(&file, "precious").unwrap();
    hachi(["unpin", text(&file)])
        .code(3)
        .says(&["not a BPF file system"]);
    hachi(["unpin", "--recursive", text(dir.path())])
        .code(1)
        .says(&["not on a BPF file system"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

/// Maps of an object, under names of the test's own, and one of them dumped.
fn dumped(map: MapSpec, fill: impl FnOnce(&mut hachi::Ebpf)) -> (Run, Value) {
    let bytes = std::fs::read(object("watcher")).unwrap();
    let mut spec = hachi_obj::Spec::parse_vec(bytes).unwrap();
    let name = map.name.clone();
    spec.maps.push(map);
    let mut ebpf = hachi::EbpfLoader::new().load_spec(spec).unwrap();
    fill(&mut ebpf);
    let id = ebpf
        .map(&name)
        .unwrap()
        .data()
        .info()
        .unwrap()
        .id()
        .to_string();
    let text = hachi(["map", "dump", &id]).code(0);
    (text, hachi(["map", "dump", "--json", &id]).code(0).json())
}

/// Of sockets the kernel tells nothing, unless values have room for a cookie.
#[test]
fn a_dump_names_unreadable_values_and_shows_the_rest() {
    require_bpf!();
    let (listener, value) = (std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), 4);
    let connected = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    connected.connect(listener.local_addr().unwrap()).unwrap();
    let map = MapSpec::new("sockets", MapType::Sockhash, 4, value, 8);
    let (text, document) = dumped(map, |ebpf| {
        let mut sockets: hachi::maps::SockHash<_, u32> =
            ebpf.map_mut("sockets").unwrap().try_into().unwrap();
        sockets.insert(7, &connected, 0).unwrap();
    });
    let text = text.says(&["1 value of this sockhash cannot be read"]);
    assert!(
        text.stdout.contains("07 00 00 00: (unreadable)"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("1 element"), "{}", text.stdout);
    let entry = &document["entries"][0];
    assert_eq!(keys(entry), ["error", "key", "value"]);
    assert_eq!(entry["key"], serde_json::json!([7, 0, 0, 0]));
    assert_eq!(entry["value"], Value::Null);
}

#[test]
fn keys_of_prefixes_are_printed_as_prefixes() {
    require_bpf!();
    let mut map = MapSpec::new("routes", MapType::LpmTrie, 8, 4, 8);
    map.flags = 1; // BPF_F_NO_PREALLOC, which the kernel asks for.
    let (text, document) = dumped(map, |ebpf| {
        let mut key = 8_u32.to_ne_bytes().to_vec();
        key.extend([10, 0, 0, 0]);
        let map = ebpf.map_mut("routes").unwrap();
        map.data_mut().update_bytes(&key, &[1, 0, 0, 0], 0).unwrap();
    });
    // Its keys have no type here.
    assert!(text.stdout.contains("0a 00 00 00/8: "), "{}", text.stdout);
    assert_eq!(document["entries"][0]["prefix"], "0a 00 00 00/8");
}
