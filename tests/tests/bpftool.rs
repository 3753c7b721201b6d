//! `hachi` beside bpftool: both are asked about the same live objects, and must say the same, field
//! by field. `docs/bpftool.md` says what is called what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use hachi::maps::{Map, MapData};
use hachi::programs::{AttachOptions, Program, XdpFlags};
use hachi::{Ebpf, EbpfLoader};
use hachi_build::{Archive, Cache};
use hachi_test::{VethPair, require_bpf, skip};
use hachi_tests::{fixture, hachi, root};
use serde_json::{Value, json};

/// A bpftool newer than Debian 12's own, which does not know TCX and netkit: of its backports,
/// unpacked into the cache.
fn bpftool() -> Option<PathBuf> {
    let cache = Cache::locate(None).ok()?;
    let archive = Archive::detect().filter(|archive| archive.id() == "debian")?;
    let fetch = |directory: &std::path::Path| -> Result<(), hachi_build::Error> {
        let name = format!("{}-backports", archive.codename());
        let mirror = archive.mirror(archive.codename()).unwrap_or_default();
        let work = cache.directory("apt")?;
        let suite = archive.suite(&work, &mirror, &name)?;
        suite.update(Duration::from_secs(24 * 60 * 60))?;
        suite.download(&["bpftool".to_owned()], directory)?;
        let packages = std::fs::read_dir(directory).into_iter().flatten().flatten();
        for package in packages.map(|entry| entry.path()) {
            let unpacked = Command::new("dpkg-deb")
                .arg("-x")
                .arg(&package)
                .arg(directory)
                .status();
            assert!(unpacked.is_ok_and(|status| status.success()), "{package:?}");
        }
        Ok(())
    };
    let directory = cache.get_or_make("tools/bpftool", fetch).ok()?;
    Some(directory.join("usr/sbin/bpftool")).filter(|path| path.is_file())
}

/// The tool, or the test is skipped.
macro_rules! require_bpftool {
    () => {
        match bpftool() {
            Some(path) => path,
            None => skip!("no newer bpftool can be fetched from Debian's archive"),
        }
    };
}

fn document(command: &mut Command) -> Value {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn by_id(list: &Value, id: &str) -> BTreeMap<u64, Value> {
    let entries = list.as_array().unwrap().iter();
    entries
        .filter_map(|entry| Some((entry[id].as_u64()?, entry.clone())))
        .collect()
}

/// Objects with maps of every kind that a program can have, and programs of many types.
fn objects() -> Vec<Ebpf> {
    let mut loaded = Vec::new();
    let cli = root().join("crates/hachi-cli/tests/objects");
    let paths = [
        fixture("collections"),
        fixture("maps"),
        fixture("tracepoint"),
        fixture("core_hooks"),
        fixture("network"),
        fixture("packets"),
        cli.join("watcher.o"),
        cli.join("tables.o"),
    ];
    for path in paths {
        let mut loader = EbpfLoader::new();
        loader.allow_unsupported_maps();
        let mut ebpf = loader.load_file(&path).unwrap();
        // This kernel may refuse hooks that are not its own; the others are enough.
        for (_, program) in ebpf.programs_mut() {
            let _ = program.load();
        }
        loaded.push(ebpf);
    }
    loaded
}

fn maps(loaded: &[Ebpf]) -> Vec<&MapData> {
    loaded
        .iter()
        .flat_map(|ebpf| ebpf.maps())
        .map(|(_, map)| Map::data(map))
        .collect()
}

fn programs(loaded: &[Ebpf]) -> Vec<&Program> {
    let all = loaded.iter().flat_map(|ebpf| ebpf.programs());
    all.map(|(_, program)| program)
        .filter(|program| program.info().is_ok())
        .collect()
}

/// What differs, as a list.
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, what: &str, ours: &Value, theirs: &Value) {
        if ours != theirs {
            self.0
                .push(format!("{what}: hachi {ours}, bpftool {theirs}"));
        }
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn programs_are_described_alike() {
    require_bpf!();
    let bpftool = require_bpftool!();
    let loaded = objects();
    let ours = document(hachi(["prog", "list", "--json"]).env_remove("NO_COLOR"));
    let ours = by_id(&ours["programs"], "id");
    let theirs = document(Command::new(&bpftool).args(["-j", "prog", "show"]));
    let theirs = by_id(&theirs, "id");
    let mut differences = Differences(Vec::new());
    let mut types = Vec::new();
    for program in programs(&loaded) {
        let id = u64::from(program.info().unwrap().id());
        let (ours, theirs) = (&ours[&id], &theirs[&id]);
        for (name, other) in [
            ("type", "type"),
            ("tag", "tag"),
            ("gpl_compatible", "gpl_compatible"),
            ("uid", "uid"),
            ("xlated_bytes", "bytes_xlated"),
            ("jited_bytes", "bytes_jited"),
            ("btf_id", "btf_id"),
        ] {
            let what = format!("program {id}, {name}");
            differences.compare(&what, &ours[name], &theirs[other]);
        }
        // bpftool leaves a list out that is empty, and gives names in full where types have them.
        let maps = theirs.get("map_ids").cloned().unwrap_or(json!([]));
        differences.compare(&format!("program {id}, maps"), &ours["map_ids"], &maps);
        let (name, full) = (
            ours["name"].as_str().unwrap(),
            theirs["name"].as_str().unwrap(),
        );
        if !full.starts_with(name) {
            differences.compare(
                &format!("program {id}, name"),
                &ours["name"],
                &theirs["name"],
            );
        }
        types.push(ours["type"].as_str().unwrap().to_owned());
    }
    differences.none();
    types.sort();
    types.dedup();
    assert!(types.len() >= 6, "{types:?}");
}

#[test]
fn maps_and_their_contents_are_described_alike() {
    require_bpf!();
    let bpftool = require_bpftool!();
    let loaded = objects();
    let ours = document(hachi(["map", "list", "--json"]).env_remove("NO_COLOR"));
    let ours = by_id(&ours["maps"], "id");
    let mut differences = Differences(Vec::new());
    let mut types = Vec::new();
    for map in maps(&loaded) {
        let id = u64::from(map.info().unwrap().id());
        // One by one: in a list of all, bpftool repeats the BTF of the map before for one that has
        // none, since newer kernels leave that field as they find it.
        let mut show = Command::new(&bpftool);
        let theirs = &document(show.args(["-j", "map", "show", "id", &id.to_string()]));
        let ours = &ours[&id];
        for (name, other) in [
            ("type", "type"),
            ("name", "name"),
            ("flags", "flags"),
            ("key_size", "bytes_key"),
            ("value_size", "bytes_value"),
            ("max_entries", "max_entries"),
        ] {
            let what = format!("map {id}, {name}");
            differences.compare(&what, &ours[name], &theirs[other]);
        }
        let btf = theirs.get("btf_id").cloned().unwrap_or(Value::Null);
        differences.compare(&format!("map {id}, btf"), &ours["btf_id"], &btf);
        let shown = document(&mut hachi(["map", "show", &id.to_string(), "--json"]));
        let memory = &shown["memory_bytes"];
        differences.compare(
            &format!("map {id}, memory"),
            memory,
            &theirs["bytes_memlock"],
        );
        let is_frozen = Value::Bool(theirs["frozen"] == 1);
        differences.compare(&format!("map {id}, frozen"), &shown["frozen"], &is_frozen);
        types.push(ours["type"].as_str().unwrap().to_owned());
    }
    differences.none();
    types.sort();
    types.dedup();
    assert!(types.len() >= 20, "{} types: {types:?}", types.len());
}

#[test]
fn elements_are_written_by_one_and_read_by_the_other() {
    require_bpf!();
    let bpftool = require_bpftool!();
    let tables = root().join("crates/hachi-cli/tests/objects/tables.o");
    let loaded = Ebpf::load_file(&tables).unwrap();
    let id = |name: &str| {
        let map = loaded.map(name).unwrap().data();
        map.info().unwrap().id().to_string()
    };
    let set = |map: &str, key: &str, value: &str| {
        let done = hachi(["map", "set", &id(map), key, value])
            .status()
            .unwrap();
        assert!(done.success(), "{map}");
    };
    set(
        "LIMITS",
        "1",
        r#"{"rate": 100, "burst": -2, "name": "eth0"}"#,
    );
    set(
        "FLOWS",
        r#"{"source": "10.0.0.1", "port": 80, "protocol": 6, "pad": 0}"#,
        "99",
    );
    set("BY_PORT", "443", "7");
    let mut differences = Differences(Vec::new());
    for map in ["LIMITS", "FLOWS", "BY_PORT", "COUNTERS"] {
        let theirs = document(Command::new(&bpftool).args(["-j", "map", "dump", "id", &id(map)]));
        let ours = document(&mut hachi(["map", "dump", &id(map), "--json"]));
        let ours = ours["entries"].as_array().unwrap().clone();
        let theirs = theirs.as_array().unwrap();
        assert_eq!(ours.len(), theirs.len(), "{map}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            let formatted = &theirs["formatted"];
            differences.compare(map, &ours["key"], &formatted["key"]);
            match ours.get("values") {
                None => differences.compare(map, &ours["value"], &formatted["value"]),
                Some(values) => {
                    let each = formatted["values"].as_array().unwrap().iter();
                    let each: Value = each.map(|of_cpu| of_cpu["value"].clone()).collect();
                    differences.compare(map, values, &each);
                }
            }
        }
    }
    differences.none();
    // And the other way round.
    let update = Command::new(&bpftool)
        .args([
            "map",
            "update",
            "id",
            &id("BY_PORT"),
            "key",
            "hex",
            "50",
            "00",
        ])
        .args(["value", "hex", "05", "00", "00", "00"])
        .status()
        .unwrap();
    assert!(update.success());
    let got = document(&mut hachi(["map", "get", &id("BY_PORT"), "80", "--json"]));
    let values = got["values"].as_array().unwrap();
    assert!(values.iter().all(|value| *value == 5), "{got}");
}

#[test]
fn attachments_are_described_alike() {
    require_bpf!();
    let bpftool = require_bpftool!();
    let wire = VethPair::new().unwrap();
    let mut xdp = hachi_tests::load_all(&root().join("crates/hachi-cli/tests/objects/watcher.o"));
    let interface = wire.right.interface().to_owned();
    let netns = wire.right.netns();
    let program: &mut hachi::programs::Xdp =
        xdp.program_mut("watcher").unwrap().try_into().unwrap();
    netns
        .run(|| program.attach(&interface, XdpFlags::SKB_MODE))
        .unwrap();
    let mut traced = Ebpf::load_file(fixture("tracepoint")).unwrap();
    for (name, program) in traced.programs_mut() {
        program
            .load()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let _ = program.attach_by_section(&AttachOptions::default());
    }
    let mut inside = netns.command(hachi_tests::hachi_bin());
    let ours = document(inside.args(["link", "list", "--json"]));
    let theirs = document(netns.command(&bpftool).args(["-j", "link", "show"]));
    let ids: Vec<u64> = [&xdp, &traced]
        .into_iter()
        .flat_map(|ebpf| ebpf.programs())
        .filter_map(|(_, program)| Some(u64::from(program.info().ok()?.id())))
        .collect();
    let (ours, theirs) = (by_id(&ours["links"], "id"), by_id(&theirs, "id"));
    let mut differences = Differences(Vec::new());
    let mut compared = 0;
    for (id, theirs) in &theirs {
        if !ids.contains(&theirs["prog_id"].as_u64().unwrap_or(0)) {
            continue;
        }
        compared += 1;
        let ours = &ours[id];
        differences.compare(&format!("link {id}, type"), &ours["type"], &theirs["type"]);
        let program = &ours["program_id"];
        differences.compare(&format!("link {id}, program"), program, &theirs["prog_id"]);
        if let Some(index) = theirs.get("ifindex") {
            let ours = &ours["target"]["index"];
            differences.compare(&format!("link {id}, interface"), ours, index);
        }
    }
    differences.none();
    assert!(compared >= 1);
    // The network, as the namespace sees it.
    let mut inside = netns.command(hachi_tests::hachi_bin());
    let ours = document(inside.args(["net", "--json"]));
    let theirs = document(netns.command(&bpftool).args(["-j", "net", "show"]));
    let theirs = &theirs[0]["xdp"][0];
    let target = &ours["attachments"][0]["target"];
    assert_eq!(target["name"], theirs["devname"]);
    assert_eq!(target["index"], theirs["ifindex"]);
    assert_eq!(target["mode"], "skb");
    assert_eq!(ours["attachments"][0]["program_id"], theirs["id"]);
}

#[test]
fn instructions_are_listed_alike() {
    require_bpf!();
    let bpftool = require_bpftool!();
    let loaded = hachi_tests::load_all(&root().join("crates/hachi-cli/tests/objects/watcher.o"));
    let id = loaded
        .program("watcher")
        .unwrap()
        .info()
        .unwrap()
        .id()
        .to_string();
    let theirs = document(Command::new(&bpftool).args(["-j", "prog", "dump", "xlated", "id", &id]));
    let theirs = theirs.as_array().unwrap();
    let theirs = match theirs.first().and_then(|first| first["insns"].as_array()) {
        Some(insns) => insns.clone(),
        None => theirs.clone(),
    };
    let ours = document(&mut hachi(["prog", "dump", &id, "--json"]));
    let ours = ours["instructions"].as_array().unwrap();
    assert_eq!(
        ours.len(),
        theirs
            .iter()
            .filter(|insn| insn["disasm"].is_string())
            .count()
    );
    for (ours, theirs) in ours
        .iter()
        .zip(theirs.iter().filter(|i| i["disasm"].is_string()))
    {
        let (ours, theirs) = (
            ours["text"].as_str().unwrap(),
            theirs["disasm"].as_str().unwrap(),
        );
        // `(b7) r0 = 0`: the same behind the opcode, except names that hachi adds.
        let plain = theirs.split_once(") ").map_or(theirs, |(_, text)| text);
        if !plain.contains("map[") && !plain.starts_with("call") {
            assert_eq!(ours, plain);
        }
    }
}

/// Every command that the page names is one, and says how it is used.
#[test]
fn the_page_names_commands_that_there_are() {
    hachi_test::require_host!("the documentation");
    let page = std::fs::read_to_string(root().join("docs/bpftool.md")).unwrap();
    let nouns = ["prog", "map", "link", "pin", "btf", "iter", "struct-ops"];
    let mut commands: Vec<Vec<&str>> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.strip_prefix("hachi "))
        .map(|code| code.split(' ').collect::<Vec<&str>>())
        .map(|words| match nouns.contains(&words[0]) {
            true => words[..2].to_vec(),
            false => words[..1].to_vec(),
        })
        .collect();
    commands.sort();
    commands.dedup();
    assert!(commands.len() > 30);
    for words in commands {
        let mut help = hachi(words.iter().chain(&["--help"]));
        let output = help.output().unwrap();
        assert!(output.status.success(), "hachi {}", words.join(" "));
    }
}
