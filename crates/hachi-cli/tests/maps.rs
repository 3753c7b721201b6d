//! The commands on maps: list, show, dump, get, set, delete, push, pop, peek, freeze, watch.

mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hachi::maps::{Map, MapData};
use hachi::{Ebpf, EbpfLoader};
use hachi_test::{Bpffs, TempDir, require_bpf};
use serde_json::{Value, json};
use support::{Run, alone, command, hachi, keys, object, run};

/// `nobody`, on every system.
const NOBODY: u32 = 65534;

/// The maps of `programs/tables.rs`, loaded.
struct Tables(Ebpf);

impl Tables {
    fn load() -> Tables {
        Tables(EbpfLoader::new().load_file(object("tables")).unwrap())
    }

    fn data(&self, name: &str) -> &MapData {
        self.0.map(name).map(Map::data).unwrap()
    }

    fn id(&self, name: &str) -> String {
        self.data(name).info().unwrap().id().to_string()
    }

    /// `hachi map VERB MAP …`.
    fn run(&self, verb: &str, map: &str, rest: &[&str]) -> Run {
        let id = self.id(map);
        hachi(["map", verb, &id].iter().chain(rest))
    }

    fn json(&self, verb: &str, map: &str, rest: &[&str]) -> Value {
        let id = self.id(map);
        let arguments = ["map", verb, &id, "--json"];
        hachi(arguments.iter().chain(rest)).code(0).json()
    }
}

#[test]
fn prefixes_are_set_found_listed_and_deleted() {
    require_bpf!();
    let tables = Tables::load();
    tables
        .run("set", "BLOCKLIST", &["10.0.0.1/32", "1"])
        .code(0);
    tables
        .run("set", "BLOCKLIST", &["192.168.0.0/16", "true"])
        .code(0);
    tables
        .run("get", "BLOCKLIST", &["192.168.3.4"])
        .code(0)
        .prints(&["192.168.3.4/32: 1\n"]);
    let dump = tables.json("dump", "BLOCKLIST", &[]);
    let prefixes: Vec<&Value> = dump["entries"].as_array().unwrap().iter().collect();
    let mut prefixes: Vec<&str> = prefixes
        .iter()
        .map(|e| e["prefix"].as_str().unwrap())
        .collect();
    prefixes.sort_unstable();
    assert_eq!(prefixes, ["10.0.0.1/32", "192.168.0.0/16"]);
    tables.run("delete", "BLOCKLIST", &["10.0.0.1/32"]).code(0);
    tables
        .run("delete", "BLOCKLIST", &["10.0.0.1/32"])
        .code(1)
        .says(&["BLOCKLIST has no key 10.0.0.1/32"]);
    tables
        .run("set", "BLOCKLIST", &["10.0.0.0/33", "1"])
        .code(2)
        .says(&["from 0 to 32"]);
}

#[test]
fn structs_are_read_and_written_as_json() {
    require_bpf!();
    let tables = Tables::load();
    let limit = r#"{"rate": 100, "burst": -2, "name": "eth0"}"#;
    tables.run("set", "LIMITS", &["0", limit]).code(0);
    tables
        .run("get", "LIMITS", &["0"])
        .code(0)
        .prints(&["0: Limit { rate: 100, burst: -2, name: \"eth0\" }"]);
    let got = tables.json("get", "LIMITS", &["0"]);
    assert_eq!(keys(&got), ["key", "map", "value"]);
    assert_eq!(got["value"]["burst"], -2);
    tables
        .run(
            "set",
            "LIMITS",
            &["1", r#"{"rat": 1, "burst": 1, "name": "a"}"#],
        )
        .code(2)
        .says(&["no member rat", "did you mean rate?"]);
    tables
        .run("set", "LIMITS", &["1", "5"])
        .code(2)
        .says(&["\"rate\": …"]);
    tables
        .run("set", "LIMITS", &["2", limit])
        .code(1)
        .says(&["BPF_MAP_UPDATE_ELEM", "its keys are from 0 to 1"]);
    tables
        .run("delete", "LIMITS", &["0"])
        .code(1)
        .says(&["set it to zero"]);
    // Nothing of what was refused has been written.
    let other = tables.json("get", "LIMITS", &["1"]);
    assert_eq!(other["value"]["rate"], 0);
}

#[test]
fn a_dump_is_written_back_as_it_was() {
    require_bpf!();
    let tables = Tables::load();
    let flow = r#"{"source": "10.0.0.1", "port": 80, "protocol": 6, "pad": 0}"#;
    tables.run("set", "FLOWS", &[flow, "99"]).code(0);
    tables
        .run("set", "FLOWS", &["hex:0a000002 5000 06 00", "98"])
        .code(0);
    let dump = tables.run("dump", "FLOWS", &["--json"]).code(0);
    assert_eq!(dump.json()["entries"].as_array().unwrap().len(), 2);
    tables.run("delete", "FLOWS", &[flow]).code(0);
    let restore = |text: &str| {
        let id = tables.id("FLOWS");
        let mut command = command(["map", "set", &id, "--from", "-"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        Run::from(child.wait_with_output().unwrap())
    };
    restore(&dump.stdout).code(0).prints(&["2 written"]);
    let again = tables.run("dump", "FLOWS", &["--json"]).code(0).json();
    let sorted = |document: &Value| {
        let mut entries: Vec<String> = document["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        entries.sort();
        entries
    };
    assert_eq!(sorted(&again), sorted(&dump.json()));
    // The whole document is understood before the first entry is written.
    let mut broken = dump.json();
    broken["entries"][0]["value"] = json!(7);
    broken["entries"][1]["value"] = json!("many");
    restore(&broken.to_string())
        .code(2)
        .says(&["entry 1", "must be a number"]);
    let after = tables.run("dump", "FLOWS", &["--json"]).code(0).json();
    assert_eq!(sorted(&after), sorted(&dump.json()));
}

#[test]
fn values_of_each_cpu_are_shown_summed_and_set() {
    require_bpf!();
    let tables = Tables::load();
    tables.run("set", "COUNTERS", &["0", "7"]).code(0);
    let each = tables.json("get", "COUNTERS", &["0"]);
    let values = each["values"].as_array().unwrap().clone();
    assert!(values.iter().all(|value| *value == 7) && !values.is_empty());
    tables
        .run("set", "COUNTERS", &["0", "5", "--cpu", "0"])
        .code(0);
    let sum = 7 * values.len() as u64 - 2;
    let summed = tables.json("get", "COUNTERS", &["0", "--sum"]);
    assert_eq!(summed["value"], sum);
    tables
        .run("get", "COUNTERS", &["0"])
        .code(0)
        .prints(&["cpu 0: 5", &format!("sum: {sum}")]);
    tables
        .run("get", "COUNTERS", &["0", "--cpu", "0"])
        .code(0)
        .prints(&["0: 5\n"]);
    let beyond = values.len().to_string();
    tables
        .run("get", "COUNTERS", &["0", "--cpu", &beyond])
        .code(2)
        .says(&["there is no CPU"]);
    tables
        .run("get", "LIMITS", &["0", "--sum"])
        .code(2)
        .says(&["one value for all CPUs"]);
    let dump = tables.json("dump", "COUNTERS", &["--sum"]);
    assert_eq!(dump["entries"][0], json!({ "key": 0, "value": sum }));
}

#[test]
fn programs_are_values_by_id_and_are_shown_by_name() {
    require_bpf!();
    let mut tables = Tables::load();
    let program = tables.0.program_mut("tables").unwrap();
    program.load().unwrap();
    let id = program.info().unwrap().id().to_string();
    tables.run("set", "JUMPS", &["2", &id]).code(0);
    tables
        .run("dump", "JUMPS", &[])
        .code(0)
        .prints(&[&format!("2: program {id} (tables)")]);
    tables
        .run("set", "JUMPS", &["1", "name:nosuchprogram"])
        .code(1)
        .says(&["no program named nosuchprogram"]);
}

#[test]
fn queues_stacks_and_filters_have_no_keys() {
    require_bpf!();
    let tables = Tables::load();
    for map in ["JOBS", "PLATES"] {
        tables.run("push", map, &["4"]).code(0);
        tables.run("push", map, &["5"]).code(0);
        tables
            .run("push", map, &["6"])
            .code(1)
            .says(&["full", "--force"]);
    }
    tables.run("push", "JOBS", &["6", "--force"]).code(0);
    tables
        .run("peek", "JOBS", &[])
        .code(0)
        .prints(&["05 00 00 00"]);
    // Kernels keep no types of such maps.
    let popped = tables.run("pop", "JOBS", &[]).code(0);
    assert_eq!(popped.stdout.trim(), "05 00 00 00");
    let popped = tables.json("pop", "JOBS", &[]);
    assert_eq!(popped["value"], json!([6, 0, 0, 0]));
    tables
        .run("pop", "JOBS", &[])
        .code(1)
        .says(&["JOBS is empty"]);
    let popped = tables.run("pop", "PLATES", &[]).code(0);
    assert_eq!(popped.stdout.trim(), "05 00 00 00");
    tables
        .run("get", "JOBS", &["0"])
        .code(2)
        .says(&["has no keys"]);
    tables.run("pop", "LIMITS", &[]).code(2).says(&["no queue"]);
    tables.run("push", "SEEN", &["4"]).code(0);
    tables
        .run("peek", "SEEN", &["4"])
        .code(0)
        .prints(&["probably"]);
    tables
        .run("peek", "SEEN", &["5"])
        .code(1)
        .prints(&["has not seen 5"]);
    tables
        .run("dump", "JOBS", &[])
        .code(1)
        .says(&["hachi map peek"]);
}

#[test]
fn new_and_existing_keys_are_distinguished() {
    require_bpf!();
    let tables = Tables::load();
    tables.run("set", "BY_PORT", &["80", "1", "--new"]).code(0);
    tables
        .run("set", "BY_PORT", &["80", "1", "--new"])
        .code(1)
        .says(&["has the key 80 already"]);
    tables
        .run("set", "BY_PORT", &["81", "1", "--existing"])
        .code(1)
        .says(&["has no key 81"]);
    tables
        .run("get", "BY_PORT", &["81"])
        .code(1)
        .says(&["has no key 81"]);
}

#[test]
fn a_frozen_map_is_shown_as_such_and_refuses_writes() {
    require_bpf!();
    let tables = Tables::load();
    let shown = tables.json("show", "LIMITS", &[]);
    assert_eq!(
        keys(&shown),
        [
            "btf_id",
            "flags",
            "frozen",
            "id",
            "key_size",
            "key_type",
            "map_extra",
            "max_entries",
            "memory_bytes",
            "name",
            "pids",
            "pins",
            "programs",
            "type",
            "value_size",
            "value_type"
        ]
    );
    assert_eq!(shown["frozen"], false);
    assert_eq!(shown["value_type"], "Limit");
    assert_eq!(shown["pids"][0]["pid"], std::process::id());
    tables.run("freeze", "LIMITS", &[]).code(0);
    assert_eq!(tables.json("show", "LIMITS", &[])["frozen"], true);
    let limit = r#"{"rate": 1, "burst": 1, "name": ""}"#;
    tables
        .run("set", "LIMITS", &["0", limit])
        .code(1)
        .says(&["LIMITS is frozen"]);
    tables
        .run("freeze", "LIMITS", &[])
        .code(1)
        .says(&["is frozen"]);
}

#[test]
fn watch_shows_changes() {
    require_bpf!();
    let tables = Tables::load();
    tables.run("set", "BY_PORT", &["80", "1"]).code(0);
    let id = tables.id("BY_PORT");
    let mut child = command([
        "map",
        "watch",
        &id,
        "--sum",
        "--interval",
        "0.05",
        "--duration",
        "1.2",
    ])
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut first).unwrap();
    assert!(first.contains("1 element"), "{first}");
    tables.run("set", "BY_PORT", &["80", "3"]).code(0);
    tables.run("set", "BY_PORT", &["443", "1"]).code(0);
    // Each step is seen by a look of its own.
    std::thread::sleep(std::time::Duration::from_millis(200));
    tables.run("delete", "BY_PORT", &["443"]).code(0);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    let has = |sign: &str, key: &str| {
        rest.lines()
            .any(|line| line.starts_with(&format!("{sign} {key}: ")))
    };
    assert!(
        has("~", "80") && has("+", "443") && has("-", "443"),
        "{rest}"
    );
}

#[test]
fn near_misses_are_suggested_and_lists_name_types() {
    require_bpf!();
    let tables = Tables::load();
    hachi(["map", "get", "BLOKCLIST", "10.0.0.1"])
        .code(1)
        .says(&["no map named BLOKCLIST", "BLOCKLIST"]);
    hachi(["map", "get", "tag:3b185187f1855c4c", "0"])
        .code(2)
        .says(&["maps have no tag"]);
    hachi(["map", "get", "id:4294967295", "0"])
        .code(1)
        .says(&["ENOENT", "hachi map list"]);
    let list = hachi(["map", "list", "--type", "lpm_trie", "--json"])
        .code(0)
        .json();
    let maps = list["maps"].as_array().unwrap();
    assert!(maps.iter().all(|map| map["type"] == "lpm_trie"));
    let id: u32 = tables.id("BLOCKLIST").parse().unwrap();
    let ours = maps.iter().find(|map| map["id"] == id).unwrap();
    assert_eq!(
        keys(ours),
        [
            "btf_id",
            "flags",
            "id",
            "key_size",
            "max_entries",
            "name",
            "pids",
            "type",
            "value_size"
        ]
    );
}

/// As another user, whose pins may be read and not written.
#[test]
fn pins_that_may_only_be_read_are_read_and_not_written() {
    require_bpf!();
    let tables = Tables::load();
    let bpffs = Bpffs::new().unwrap();
    let dir = TempDir::new().unwrap();
    let readable = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let pin = bpffs.join("LIMITS");
    let limit = r#"{"rate": 100, "burst": -2, "name": "eth0"}"#;
    tables.run("set", "LIMITS", &["0", limit]).code(0);
    tables.data("LIMITS").pin(&pin).unwrap();
    std::os::unix::fs::chown(&pin, Some(NOBODY), Some(NOBODY)).unwrap();
    readable(&pin, 0o400);
    let above = bpffs.path().ancestors();
    above
        .take_while(|path| path.starts_with(std::env::temp_dir()))
        .filter(|path| *path != std::env::temp_dir())
        .for_each(|path| readable(path, 0o755));
    let program = alone(dir.path());
    readable(dir.path(), 0o755);
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .current_dir("/")
            .env("NO_COLOR", "1");
        run(command.uid(NOBODY).gid(NOBODY))
    };
    let pin = pin.to_str().unwrap();
    for verb in ["dump", "show"] {
        as_nobody(&["map", verb, pin]).code(0);
    }
    // Which programs use it needs a right that this user does not have.
    let shown = as_nobody(&["map", "show", pin, "--json"]).code(0).json();
    assert_eq!(shown["programs"], Value::Null);
    let entry = as_nobody(&["map", "get", pin, "0", "--json"])
        .code(0)
        .json();
    assert_eq!(entry["map"]["name"], "LIMITS");
    as_nobody(&["map", "set", pin, "0", limit])
        .code(3)
        .says(&["EACCES"]);
    // The same question to the kernel, which lets root open anything.
    let map = MapData::from_pin_read_only(pin).unwrap();
    let mut map = hachi::maps::Array::<_, [u8; 24]>::new(map).unwrap();
    let refused = map.set(0, [0; 24], 0).unwrap_err().to_string();
    assert!(refused.contains("EPERM"), "{refused}");
}
