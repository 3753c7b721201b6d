//! The commands on programs, links, pins and what they are attached to.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLoader};
use hachi_test::{Bpffs, Netns, TempDir, VethPair, require_bpf};
use serde_json::Value;
use support::{Run, hachi, keys, object, run};

/// The program of `programs/watcher.rs`, loaded.
struct Watcher(Ebpf);

impl Watcher {
    fn load() -> Watcher {
        let mut loaded = EbpfLoader::new().load_file(object("watcher")).unwrap();
        loaded.program_mut("watcher").unwrap().load().unwrap();
        Watcher(loaded)
    }

    fn id(&self) -> String {
        self.0
            .program("watcher")
            .unwrap()
            .info()
            .unwrap()
            .id()
            .to_string()
    }

    fn tag(&self) -> String {
        let tag = self.0.program("watcher").unwrap().info().unwrap().tag();
        tag.map(|byte| format!("{byte:02x}")).concat()
    }

    /// `hachi prog VERB ID …`.
    fn run(&self, verb: &str, rest: &[&str]) -> Run {
        let id = self.id();
        hachi(["prog", verb, &id].iter().chain(rest))
    }

    fn json(&self, verb: &str, rest: &[&str]) -> Value {
        let id = self.id();
        let arguments = ["prog", verb, &id, "--json"];
        hachi(arguments.iter().chain(rest)).code(0).json()
    }
}

/// The command in another network namespace.
fn inside(netns: &Netns, arguments: &[&str]) -> Run {
    let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1");
    run(&mut command)
}

#[test]
fn a_program_is_found_by_id_name_and_pin() {
    require_bpf!();
    let watcher = Watcher::load();
    let bpffs = Bpffs::new().unwrap();
    let pin = bpffs.path().join("watcher");
    watcher.0.program("watcher").unwrap().pin(&pin).unwrap();
    let shown = watcher.json("show", &[]);
    assert_eq!(
        keys(&shown),
        [
            "attached",
            "btf_id",
            "functions",
            "gpl_compatible",
            "id",
            "jited_bytes",
            "loaded_at_ns",
            "map_ids",
            "maps",
            "memory_bytes",
            "name",
            "pids",
            "pins",
            "run_count",
            "run_time_ns",
            "tag",
            "type",
            "uid",
            "verified_insns",
            "xlated_bytes"
        ]
    );
    assert_eq!(shown["functions"][0], "watcher");
    assert_eq!(shown["pids"][0]["pid"], std::process::id());
    let maps: Vec<&Value> = shown["maps"].as_array().unwrap().iter().collect();
    assert!(maps.iter().any(|map| map["name"] == "COUNTERS"));
    let by_pin = hachi(["prog", "show", pin.to_str().unwrap(), "--json"])
        .code(0)
        .json();
    assert_eq!(by_pin["id"], shown["id"]);
    hachi(["prog", "show", "watcherr"])
        .code(1)
        .says(&["did you mean watcher"]);
    // Others may have loaded the same program.
    let by_tag = hachi(["prog", "show", &watcher.tag(), "--json"]);
    match by_tag.code {
        0 => assert_eq!(by_tag.json()["id"], shown["id"]),
        _ => {
            by_tag.code(2).says(&["give an id", &watcher.id()]);
        }
    }
    hachi(["prog", "show", "tag:00"])
        .code(2)
        .says(&["16 digits"]);
}

#[test]
fn instructions_machine_code_source_and_flow_are_dumped() {
    require_bpf!();
    let watcher = Watcher::load();
    let info = watcher.0.program("watcher").unwrap().info().unwrap();
    let xlated = watcher.json("dump", &[]);
    let insns = xlated["instructions"].as_array().unwrap();
    let bytes: usize = insns
        .iter()
        .map(|insn| insn["bytes"].as_str().unwrap().split(' ').count())
        .sum();
    assert_eq!(bytes, info.xlated_size() as usize);
    assert!(
        insns
            .iter()
            .any(|insn| insn["text"].as_str().unwrap().contains("map[COUNTERS id:"))
    );
    assert!(
        insns
            .iter()
            .all(|insn| !insn["text"].as_str().unwrap().starts_with("BUG_"))
    );
    watcher.run("dump", &["xlated", "--hex"]).code(0).prints(&[
        "watcher:",
        "; let bytes = ctx.len() as u64;",
        "exit",
    ]);
    watcher
        .run("dump", &["source"])
        .code(0)
        .prints(&["let bytes = ctx.len()"]);
    if info.jited_size() > 0 {
        let jited = watcher.json("dump", &["jited"]);
        let insns = jited["functions"][0]["instructions"].as_array().unwrap();
        let bytes: usize = insns
            .iter()
            .map(|insn| insn["bytes"].as_str().unwrap().split(' ').count())
            .sum();
        assert_eq!(bytes, info.jited_size() as usize);
        if cfg!(target_arch = "x86_64") {
            assert!(insns.iter().any(|insn| insn["text"] == "push %rbp"));
        }
    }
    let flow = watcher.json("dump", &["cfg"]);
    let blocks = flow["blocks"].as_array().unwrap().len();
    assert!(blocks > 3);
    for edge in flow["edges"].as_array().unwrap() {
        assert!(edge["to"].as_u64().unwrap() < blocks as u64);
    }
    watcher
        .run("dump", &["cfg", "--form", "dot"])
        .code(0)
        .prints(&["digraph", "taken"]);
    let dir = TempDir::new().unwrap();
    let file = dir.join("flow.svg");
    watcher
        .run(
            "dump",
            &["cfg", "--form", "svg", "--out", file.to_str().unwrap()],
        )
        .code(0);
    let svg = std::fs::read_to_string(file).unwrap();
    assert_eq!(svg.matches("class=\"title\"").count(), blocks);
    let calls = watcher.json("dump", &["calls"]);
    let functions = calls["blocks"].as_array().unwrap();
    assert_eq!(functions.len(), 1);
    assert_eq!(functions[0]["title"], "watcher");
    assert_eq!(calls["edges"].as_array().unwrap().len(), 0);
}

#[test]
fn a_program_is_run_on_packets_and_on_captures() {
    require_bpf!();
    let watcher = Watcher::load();
    let packet = "ff ff ff ff ff ff 02 00 00 00 00 01 08 06 00 00";
    watcher
        .run("run", &["--data", packet, "--repeat", "10"])
        .code(0)
        .prints(&["returned XDP_PASS (2)", "10 runs"]);
    let result = watcher.json("run", &["--data", packet]);
    assert_eq!(result["verdict"], "XDP_PASS");
    assert_eq!(result["data"], packet);
    watcher
        .run("run", &["--data", "zz"])
        .code(2)
        .says(&["hexadecimal"]);
    watcher.run("run", &[]).code(1).says(&["EINVAL", "--data"]);

    let dir = TempDir::new().unwrap();
    let (from, to) = (dir.join("in.pcap"), dir.join("out.pcap"));
    let mut capture = Vec::new();
    // A header of version 2.4 for Ethernet, and two packets.
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65535, 1] {
        capture.extend(word.to_le_bytes());
    }
    for length in [60_u32, 90] {
        for word in [1, 0, length, length] {
            capture.extend(u32::to_le_bytes(word));
        }
        capture.extend(vec![0xff; length as usize]);
    }
    std::fs::write(&from, &capture).unwrap();
    let paths = [&from, &to].map(|path| path.to_str().unwrap());
    let result = watcher.json("run", &["--pcap", paths[0], "--write", paths[1]]);
    assert_eq!(result["packets"], 2);
    assert_eq!(result["written"], 2);
    assert_eq!(result["verdicts"][0]["packets"], 2);
    let written = std::fs::read(&to).unwrap();
    assert_eq!(written.len(), capture.len());
    std::fs::write(&from, b"no capture").unwrap();
    watcher
        .run("run", &["--pcap", paths[0]])
        .code(1)
        .says(&["in.pcap"]);
}

#[test]
fn runs_are_counted_only_while_asked_for() {
    require_bpf!();
    let watcher = Watcher::load();
    let id = watcher.id();
    let stats = hachi(["prog", "stats", &id, "--duration", "0.05", "--json"])
        .code(0)
        .json();
    let program = &stats["programs"][0];
    assert_eq!(
        keys(program),
        [
            "cpu_percent",
            "id",
            "name",
            "ns_per_run",
            "runs",
            "time_ns",
            "type"
        ]
    );
    assert_eq!(program["runs"], 0);
    assert_eq!(stats["programs"].as_array().unwrap().len(), 1);
    let mut counting = support::command(["prog", "stats", &id, "--duration", "1.5", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    let packet = "00 ".repeat(60);
    watcher
        .run("run", &["--data", packet.trim(), "--repeat", "1000"])
        .code(0);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut counting.stdout.take().unwrap(), &mut text).unwrap();
    assert!(counting.wait().unwrap().success());
    let stats: Value = serde_json::from_str(&text).unwrap();
    // Test runs are not counted on every kernel; attached programs are.
    assert!(stats["seconds"].as_f64().unwrap() >= 1.4);
}

#[test]
fn counts_what_happens_while_a_program_runs() {
    require_bpf!();
    let watcher = Watcher::load();
    let id = watcher.id();
    let arguments = ["prog", "profile", &id, "task-clock", "page-faults"];
    let counting = support::command(arguments)
        .args(["--duration", "4", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Loading takes a while in a guest; each of the runs is either counted whole or not at all.
    let packet = "00 ".repeat(60);
    for _ in 0..4 {
        std::thread::sleep(std::time::Duration::from_millis(800));
        watcher
            .run("run", &["--data", packet.trim(), "--repeat", "500"])
            .code(0);
    }
    let profile = Run::from(counting.wait_with_output().unwrap());
    if profile.code == 3 && !hachi_test::in_guest() {
        // As this project's machines do.
        let refused = profile.says(&["profiling program watcher", "EPERM"]);
        hachi_test::skip!("this kernel refuses fentry: {}", refused.stderr);
    }
    let document = profile.code(0).json();
    assert_eq!(keys(&document), ["metrics", "program", "runs", "seconds"]);
    let runs = document["runs"].as_u64().unwrap();
    assert!((500..=2000).contains(&runs), "{document:#}");
    let metrics = document["metrics"].as_array().unwrap();
    assert_eq!(
        keys(&metrics[0]),
        ["count", "counted_share", "name", "per_run"]
    );
    assert_eq!(metrics[0]["name"], "task-clock");
    let nanoseconds = metrics[0]["per_run"].as_f64().unwrap();
    assert!((10.0..1e7).contains(&nanoseconds), "{document:#}");
    assert_eq!(metrics[0]["counted_share"], 1.0);
    // A program that touches kernel memory alone.
    assert_eq!(metrics[1]["count"], 0, "{document:#}");
    watcher
        .run("profile", &["task-clock", "--duration", "0.1"])
        .code(0)
        .prints(&["watcher ran 0 times in"]);
}

#[test]
fn says_that_a_machine_has_no_hardware_counters() {
    require_bpf!();
    let watcher = Watcher::load();
    let profile = watcher.run("profile", &["--duration", "0.1"]);
    if Path::new("/sys/bus/event_source/devices/cpu").exists() {
        hachi_test::skip!("this machine has hardware counters");
    }
    profile
        .code(3)
        .says(&["no hardware counter for cycles", "task-clock"]);
    let many = [
        "cycles",
        "instructions",
        "cache-references",
        "cache-misses",
        "branch-misses",
        "llc-misses",
        "dtlb-misses",
        "itlb-misses",
        "task-clock",
    ];
    watcher.run("profile", &many).code(2).says(&["at most 8"]);
    watcher
        .run("profile", &["joules"])
        .code(2)
        .says(&["task-clock"]);
}

#[test]
fn streams_are_read_or_the_kernel_is_too_old() {
    require_bpf!();
    let watcher = Watcher::load();
    let run = watcher.run("log", &["--json"]);
    match run.code {
        0 => {
            let document = run.json();
            assert_eq!(keys(&document), ["errors", "output", "program"]);
            assert_eq!(document["output"], "");
        }
        _ => {
            run.code(3).says(&["Linux ≥ 6.17"]);
        }
    }
}

#[test]
fn lists_programs_of_an_interface_in_its_namespace() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut watcher = Watcher::load();
    let program: &mut Xdp = watcher
        .0
        .program_mut("watcher")
        .unwrap()
        .try_into()
        .unwrap();
    let interface = wire.right.interface().to_owned();
    let attached = wire
        .right
        .netns()
        .run(|| program.attach(&interface, XdpFlags::SKB_MODE));
    attached.unwrap();
    let netns = wire.right.netns();
    let seen = inside(netns, &["net", "--json"]).code(0).json();
    let links = seen["attachments"].as_array().unwrap();
    assert_eq!(links.len(), 1, "{seen:#}");
    assert_eq!(
        keys(&links[0]),
        [
            "attach_type",
            "id",
            "program",
            "program_id",
            "target",
            "type"
        ]
    );
    assert_eq!(links[0]["type"], "xdp");
    assert_eq!(links[0]["target"]["name"], interface.as_str());
    assert_eq!(links[0]["target"]["mode"], "skb");
    inside(netns, &["net"])
        .code(0)
        .prints(&[&interface, "watcher", "skb mode"]);
    inside(netns, &["net", "--iface", "lo"])
        .code(0)
        .prints(&["nothing is attached"]);
    inside(netns, &["net", "--iface", "lp"])
        .code(1)
        .says(&["did you mean lo?"]);
    hachi(["net", "--netns", "/nowhere/net"])
        .code(1)
        .says(&["/nowhere/net"]);
    let id = links[0]["id"].to_string();
    let shown = inside(netns, &["link", "show", &id, "--json"])
        .code(0)
        .json();
    assert_eq!(shown["program"], "watcher");
    assert_eq!(shown["pids"][0]["pid"], std::process::id());
    hachi(["link", "show", "4294967295"])
        .code(1)
        .says(&["ENOENT", "hachi link list"]);
}

#[test]
fn pins_are_listed_and_shown_as_a_tree() {
    require_bpf!();
    let watcher = Watcher::load();
    let bpffs = Bpffs::new().unwrap();
    let dir = bpffs.path().join("inner");
    std::fs::create_dir(&dir).unwrap();
    let id = watcher.id();
    let to = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    hachi(["pin", "prog", &id, &to("program")]).code(0);
    let map = watcher
        .0
        .map("LENGTHS")
        .unwrap()
        .data()
        .info()
        .unwrap()
        .id()
        .to_string();
    hachi(["pin", "map", &map, &to("lengths")]).code(0);
    let below = dir.to_str().unwrap();
    let pins = hachi(["pin", "ls", below, "--json"]).code(0).json();
    let pins = pins["pins"].as_array().unwrap();
    assert_eq!(pins.len(), 2);
    assert_eq!(keys(&pins[0]), ["id", "kind", "name", "path"]);
    let kinds: Vec<&str> = pins
        .iter()
        .map(|pin| pin["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["map", "prog"]);
    hachi(["pin", "tree", below])
        .code(0)
        .prints(&["lengths  map ", "program  prog ", "watcher"]);
    let shown = watcher.json("show", &[]);
    assert_eq!(shown["pins"][0], to("program"));
    hachi(["pin", "ls", "/no/such/dir"])
        .code(1)
        .says(&["/no/such/dir"]);
    hachi(["pin", "map", "LENGTHZ", &to("x")])
        .code(1)
        .says(&["LENGTHS"]);
}

#[test]
fn features_are_found_by_trying() {
    require_bpf!();
    let document = hachi(["feature", "--json"]).code(0).json();
    assert_eq!(
        keys(&document),
        ["features", "kernel", "map_types", "probed"]
    );
    assert_eq!(document["probed"], true);
    let maps = document["map_types"].as_array().unwrap();
    let hash = maps.iter().find(|kind| kind["name"] == "hash").unwrap();
    assert_eq!(hash["supported"], true);
    let watcher = object("watcher");
    let needs = hachi(["feature".as_ref(), watcher.as_os_str(), "--json".as_ref()]);
    let needs = needs.code(0).json();
    let needs = needs["objects"][0]["needs"].as_array().unwrap().clone();
    let ring = needs
        .iter()
        .find(|need| need["name"] == "map SEEN: ringbuf")
        .unwrap();
    assert_eq!(ring["since"], "5.8");
    hachi(["feature".as_ref(), watcher.as_os_str()])
        .code(0)
        .prints(&["has", "SEEN"]);
}

#[test]
fn types_and_probes_and_cgroups_are_listed() {
    require_bpf!();
    let watcher = Watcher::load();
    let id: u64 = watcher.id().parse().unwrap();
    let document = hachi(["btf", "list", "--json"]).code(0).json();
    let all = document["btf"].as_array().unwrap();
    let ours = all
        .iter()
        .find(|btf| btf["program_ids"].as_array().unwrap().contains(&id.into()))
        .unwrap();
    assert_eq!(
        keys(ours),
        ["bytes", "id", "kernel", "map_ids", "pids", "program_ids"]
    );
    assert!(ours["bytes"].as_u64().unwrap() > 0);
    assert_eq!(keys(&hachi(["perf", "--json"]).code(0).json()), ["probes"]);
    let groups = hachi(["cgroup", "--json"]).code(0).json();
    assert_eq!(keys(&groups), ["cgroups", "effective"]);
    hachi(["cgroup", "/proc"])
        .code(1)
        .says(&["/proc is not a cgroup"]);
    let structs = hachi(["struct-ops", "list", "--json"]).code(0).json();
    assert!(structs["struct_ops"].is_array());
    hachi([
        "iter".as_ref(),
        "run".as_ref(),
        object("watcher").as_os_str(),
    ])
    .code(1)
    .says(&["has no iterator"]);
    hachi([
        "struct-ops",
        "register",
        text(&object("watcher")),
        "--pin",
        "/sys/fs/bpf/none",
    ])
    .code(1)
    .says(&["no structs of functions"]);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The reader of a pipe goes away after the first line.
#[test]
fn a_reader_that_has_enough_is_not_an_error() {
    require_bpf!();
    let _watcher = Watcher::load();
    for list in [
        "prog list",
        "map list",
        "link list",
        "btf list",
        "feature",
        "btf dump",
    ] {
        let script = format!("{} {list} | head -1", env!("CARGO_BIN_EXE_hachi"));
        let run = run(Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null()));
        assert_eq!(run.stderr, "", "{list}");
    }
}
