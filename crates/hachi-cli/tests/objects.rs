//! Commands that read objects, inspect and dis, also given files that are not objects.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use hachi_test::TempDir;
use support::{hachi, keys, object};

#[test]
fn inspect_lists_programs_maps_and_types() {
    let watcher = object("watcher");
    hachi(["inspect".as_ref(), watcher.as_os_str()])
        .code(0)
        .prints(&[
            "licence: GPL",
            "needs Linux 5.8",
            "watcher (section xdp)",
            "bpf_ringbuf_reserve",
            "COUNTERS",
            "percpu_array",
            "struct Counter (16)",
            "TALKATIVE",
            "BTF:",
        ]);
}

#[test]
fn inspect_of_two_objects_says_what_differs() {
    let (watcher, talker) = (object("watcher"), object("talker"));
    let inspect = |options: &[&str]| {
        let objects = [&watcher, &talker].map(|path| path.to_str().unwrap());
        hachi(["inspect"].iter().chain(&objects).chain(options))
    };
    let text = inspect(&[]).code(0).prints(&[
        "watcher.o → ",
        "- 3.19 for map type hash",
        "+ talker: xdp (section xdp), 40 instructions",
        "- watcher: xdp (section xdp), 99 instructions",
        "- SEEN: ringbuf, 4096 bytes",
        "- TALKATIVE: u8 in .rodata",
    ]);
    assert!(!text.stdout.contains("HACHI_LOG_LOST"), "{}", text.stdout);
    let document = inspect(&["--json"]).code(0).json();
    assert_eq!(keys(&document), ["differences", "objects"]);
    assert_eq!(
        keys(&document["differences"]),
        [
            "externs",
            "globals",
            "maps",
            "object",
            "programs",
            "same",
            "struct_ops"
        ]
    );
    assert_eq!(document["objects"][1]["programs"][0]["name"], "talker");
    // Each in full, as of one or of three.
    inspect(&["--each"])
        .code(0)
        .prints(&["watcher (section xdp)", "talker (section xdp)"]);
    assert_eq!(keys(&inspect(&["--each", "--json"]).json()), ["objects"]);
    hachi(["inspect", "--code", watcher.to_str().unwrap()])
        .code(2)
        .says(&["--code is for two objects"]);
    let same = watcher.to_str().unwrap();
    hachi(["inspect", same, same])
        .code(0)
        .prints(&["nothing differs"]);
}

#[test]
fn inspect_shows_the_instructions_that_differ() {
    let dir = TempDir::new().unwrap();
    let watcher = object("watcher");
    let mut bytes = fs::read(&watcher).unwrap();
    // `r1 += 1` becomes `r1 += 2`.
    let one = [0x07, 1, 0, 0, 1, 0, 0, 0];
    let at = bytes.windows(8).position(|window| window == one).unwrap();
    bytes[at + 4] = 2;
    let counts_double = dir.join("double.o");
    fs::write(&counts_double, bytes).unwrap();
    let objects = [&watcher, &counts_double].map(|path| path.to_str().unwrap());
    let shown = hachi(["inspect", "--code"].iter().chain(&objects))
        .code(0)
        .prints(&[
            "~ watcher",
            "instructions: 99 → 99 (+1 −1)",
            "- r1 += 1",
            "+ r1 += 2",
        ]);
    assert!(!shown.stdout.contains("helpers"), "{}", shown.stdout);
}

#[test]
fn dis_draws_who_calls_whom() {
    let object = Path::new(env!("CARGO_MANIFEST_DIR"));
    let object = object.join("../hachi-obj/tests/data/calls.bpfel.o");
    let dis = |options: &[&str]| {
        let arguments = ["dis", object.to_str().unwrap(), "--program", "walk"];
        hachi(arguments.iter().chain(options)).code(0)
    };
    dis(&["--graph", "calls"]).prints(&[
        "walk (tc)\n  29 instructions\n",
        "calls.c:56",
        "  -> add\n  -> again\n  -> weigh\n",
        "add\n  8 instructions\n",
    ]);
    let document = dis(&["--graph", "calls", "--json"]).json();
    let walk = &document["programs"][0];
    assert_eq!(keys(walk), ["blocks", "edges", "name"]);
    assert_eq!(walk["blocks"].as_array().unwrap().len(), 4);
    let dir = TempDir::new().unwrap();
    let file = dir.join("calls.svg");
    let to_file = ["--form", "svg", "--out", file.to_str().unwrap()];
    dis(&[&["--graph", "calls"], &to_file[..]].concat());
    let svg = fs::read_to_string(&file).unwrap();
    assert_eq!(svg.matches("class=\"title\"").count(), 4, "{svg}");
    assert_eq!(svg.matches("<path").count(), 4, "{svg}");
    // The control flow, with the lines of source.
    let flow = dis(&["--graph", "cfg"]);
    assert!(flow.stdout.contains("-> taken: from "), "{}", flow.stdout);
    assert!(flow.stdout.contains("calls.c:"), "{}", flow.stdout);
}

#[test]
fn dis_colours_by_the_log_of_the_program() {
    let dir = TempDir::new().unwrap();
    let (log, watcher) = (dir.join("log"), object("watcher"));
    fs::write(
        &log,
        "0: (bf) r6 = r1\n21: (61) r1 = *(u32 *)(r6 +4)\n".repeat(2),
    )
    .unwrap();
    let dis = |log: &Path| {
        let (log, watcher) = (log.to_str().unwrap(), watcher.to_str().unwrap());
        hachi([
            "dis", watcher, "--graph", "cfg", "--heat", log, "--form", "svg",
        ])
    };
    let svg = dis(&log).code(0).stdout;
    assert_eq!(svg.matches("walked 2×").count(), 2, "{svg}");
    // As hot as can be, and cold.
    assert!(svg.contains("#ff5f5f") && svg.contains("#ffffff"), "{svg}");
    fs::write(&log, "verifier log of other:\n0: (95) exit\n").unwrap();
    dis(&log)
        .code(1)
        .says(&["has no instructions of watcher", "-vv"]);
    dis(&dir.join("missing")).code(1).says(&["reading"]);
}

#[test]
fn the_keys_of_inspect_are_stable() {
    let document = hachi([
        "inspect".as_ref(),
        "--json".as_ref(),
        object("watcher").as_os_str(),
    ])
    .code(0)
    .json();
    assert_eq!(keys(&document), ["objects"]);
    let object = &document["objects"][0];
    assert_eq!(
        keys(object),
        [
            "arch",
            "btf",
            "endian",
            "externs",
            "globals",
            "license",
            "maps",
            "minimum_kernel",
            "path",
            "programs",
            "requirements",
            "size",
            "struct_ops",
            "undefined",
            "warnings"
        ]
    );
    let program = &object["programs"][0];
    assert_eq!(
        keys(program),
        [
            "attach_target",
            "attach_type",
            "core_relocations",
            "functions",
            "helpers",
            "instructions",
            "name",
            "section",
            "sleepable",
            "stack",
            "type",
            "unresolved"
        ]
    );
    assert_eq!(program["name"], "watcher");
    assert_eq!(program["type"], "xdp");
    assert!(program["instructions"].as_u64().unwrap() > 20);
    assert!(program["stack"].as_u64().unwrap() > 0);
    let maps = object["maps"].as_array().unwrap();
    let lengths = maps.iter().find(|map| map["name"] == "LENGTHS").unwrap();
    assert_eq!(
        keys(lengths),
        [
            "entries",
            "extra",
            "flags",
            "holds",
            "inner",
            "key_size",
            "max_entries",
            "name",
            "numa_node",
            "pinning",
            "type",
            "value_size"
        ]
    );
    assert_eq!(
        (&lengths["type"], &lengths["max_entries"]),
        (&"hash".into(), &16.into())
    );
    let globals = object["globals"].as_array().unwrap();
    let talkative = globals
        .iter()
        .find(|global| global["name"] == "TALKATIVE")
        .unwrap();
    assert_eq!(
        keys(talkative),
        ["name", "offset", "section", "size", "value"]
    );
    assert_eq!(talkative["value"], 0);
}

/// An object of hachi-obj's tests, of either byte order: nothing is loaded.
fn clangs(name: &str) -> PathBuf {
    let objects = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hachi-obj/tests/data");
    objects.join(format!("{name}.o"))
}

#[test]
fn inspect_shows_unlinked_objects() {
    let object = clangs("undefined.bpfel");
    let object = object.as_os_str();
    hachi(["inspect".as_ref(), object]).code(0).prints(&[
        "cannot be loaded: ",
        "'nowhere'",
        "to be linked with what defines nowhere: hachi ld",
    ]);
    hachi(["inspect".as_ref(), "--json".as_ref(), object])
        .code(0)
        .prints(&["\"unresolved\": [", "\"undefined\": [", "in another object"]);
    hachi(["dis".as_ref(), object])
        .code(0)
        .prints(&["call nowhere"]);
}

#[test]
fn inspect_shows_structs_of_functions() {
    for (name, endian) in [
        ("struct_ops.bpfel", "little-endian"),
        ("struct_ops.bpfeb", "big-endian"),
    ] {
        let object = clangs(name);
        hachi(["inspect".as_ref(), object.as_os_str()])
            .code(0)
            .prints(&[
                endian,
                "needs Linux 6.4",
                "structs of functions registered by links (struct 'linked')",
                "linked: struct tcp_congestion_ops, registered by a link",
                "plain: struct tcp_congestion_ops, registered by its map",
                "ssthresh = program threshold",
            ]);
        let document = hachi(["inspect".as_ref(), "--json".as_ref(), object.as_os_str()])
            .code(0)
            .json();
        let linked = &document["objects"][0]["struct_ops"][0];
        assert_eq!(
            keys(linked),
            ["autoload", "link", "members", "name", "type"]
        );
        let members = linked["members"].as_array().unwrap();
        let member = |name: &str| {
            members
                .iter()
                .find(|member| member["name"] == name)
                .unwrap()
        };
        assert_eq!(member("undo_cwnd")["program"], "undo");
        assert_eq!(member("name")["value"][0], b'h');
    }
}

#[test]
fn inspect_shows_special_fields_of_maps() {
    let object = clangs("calls.bpfel");
    hachi(["inspect".as_ref(), object.as_os_str()])
        .code(0)
        .prints(&["of array maps with 2 entries, [0] = inner_a, [2] = inner_b"]);
    let document = hachi(["inspect".as_ref(), "--json".as_ref(), object.as_os_str()])
        .code(0)
        .json();
    let maps = document["objects"][0]["maps"].as_array().unwrap();
    let outer = maps.iter().find(|map| map["name"] == "outer").unwrap();
    assert_eq!(outer["inner"]["max_entries"], 2);
    assert_eq!(outer["entries"][1]["target"], "inner_b");
    let object = clangs("legacy.bpfel");
    hachi(["inspect".as_ref(), object.as_os_str()])
        .code(0)
        .prints(&["flags 0x1", "pinned by name"]);
}

#[test]
fn several_objects_are_one_document() {
    let document = hachi([
        "inspect".as_ref(),
        "--json".as_ref(),
        object("watcher").as_os_str(),
        object("rejected").as_os_str(),
    ])
    .code(0)
    .json();
    assert_eq!(document["objects"].as_array().unwrap().len(), 2);
}

#[test]
fn dis_shows_instructions_between_source_lines() {
    let watcher = object("watcher");
    let run = hachi(["dis".as_ref(), watcher.as_os_str()])
        .code(0)
        .prints(&[
            "watcher:",
            "; ",
            "watcher.rs:",
            "map[COUNTERS]",
            "&TALKATIVE",
            "call bpf_map_lookup_elem",
            "exit",
        ]);
    // A source line stands before the instructions it became.
    let source = run.stdout.find("TALKATIVE.load()").expect("the Rust line");
    let code = run.stdout[source..].find("&TALKATIVE").expect("its code");
    assert!(code < 600, "far apart:\n{}", run.stdout);

    let bare = hachi(["dis".as_ref(), watcher.as_os_str(), "--no-source".as_ref()]).code(0);
    assert!(!bare.stdout.contains("watcher.rs:"));
    let hex = hachi(["dis".as_ref(), watcher.as_os_str(), "--hex".as_ref()]).code(0);
    assert!(
        hex.stdout.contains("95 00 00 00 00 00 00 00"),
        "the bytes of exit"
    );
}

#[test]
fn the_keys_of_dis_are_stable() {
    let document = hachi([
        "dis".as_ref(),
        "--json".as_ref(),
        object("watcher").as_os_str(),
    ])
    .code(0)
    .json();
    assert_eq!(keys(&document), ["object", "programs"]);
    let program = &document["programs"][0];
    assert_eq!(
        keys(program),
        ["functions", "instructions", "name", "section"]
    );
    let instructions = program["instructions"].as_array().unwrap();
    for instruction in instructions {
        assert_eq!(
            keys(instruction),
            ["at", "bytes", "column", "file", "line", "target", "text"]
        );
    }
    assert!(
        instructions
            .iter()
            .any(|instruction| instruction["target"].is_u64())
    );
}

#[test]
fn one_program_can_be_chosen() {
    let rejected = object("rejected");
    let run = hachi([
        "dis".as_ref(),
        rejected.as_os_str(),
        "--program".as_ref(),
        "endless".as_ref(),
    ])
    .code(0);
    assert!(run.stdout.contains("endless") && !run.stdout.contains("kept_entry"));
    hachi([
        "dis".as_ref(),
        rejected.as_os_str(),
        "--program".as_ref(),
        "missing".as_ref(),
    ])
    .code(2)
    .says(&["missing", "endless", "kept_entry"]);
}

#[test]
fn refuses_a_file_that_is_not_an_object() {
    let dir = TempDir::new().unwrap();
    let text = dir.join("script.o");
    fs::write(&text, "#!/bin/sh\n").unwrap();
    let empty = dir.join("empty.o");
    fs::write(&empty, "").unwrap();
    let cut = dir.join("cut.o");
    let whole = fs::read(object("watcher")).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    for command in ["inspect", "dis", "check"] {
        let try_on = |path: &std::path::Path| hachi([command.as_ref(), path.as_os_str()]);
        try_on(&text).code(1).says(&["script.o", "not an ELF"]);
        try_on(&empty).code(1).says(&["empty.o", "ELF"]);
        try_on(&cut).code(1).says(&["cut.o", "truncated"]);
        try_on(dir.path())
            .code(1)
            .says(&["is a directory", "hachi build"]);
        try_on(&dir.join("absent.o"))
            .code(1)
            .says(&["absent.o", "hachi build"]);
        // A program for this machine.
        try_on(env!("CARGO_BIN_EXE_hachi").as_ref())
            .code(1)
            .says(&["not for BPF", "hachi build"]);
    }
}

/// What `inspect` says of an object of clang's after `ld`.
fn relinked(name: &str) -> serde_json::Value {
    let dir = TempDir::new().unwrap();
    let output = dir.join("again.o");
    let input = object(name);
    hachi([
        "ld".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
    ])
    .code(0);
    let inspected = hachi(["inspect".as_ref(), "--json".as_ref(), output.as_os_str()]);
    inspected.code(0).json()["objects"][0].take()
}

#[test]
fn ld_keeps_every_variable_around_unused_data() {
    let linked = relinked("unused");
    let globals = linked["globals"].as_array().unwrap().iter();
    let values: Vec<(&str, &serde_json::Value)> = globals
        .map(|global| (global["name"].as_str().unwrap(), &global["value"]))
        .filter(|(name, _)| *name != "words")
        .collect();
    assert_eq!(
        values,
        [
            ("big", &serde_json::json!(1)),
            ("small", &serde_json::json!(1)),
            ("text", &serde_json::json!([97, 98, 0])),
            ("number", &serde_json::json!(7)),
        ]
    );
}

#[test]
fn ld_keeps_structs_of_functions_that_are_left_out_unless_asked_for() {
    let linked = relinked("optional");
    let structs = linked["struct_ops"].as_array().unwrap();
    let said: Vec<&str> = structs
        .iter()
        .map(|ops| ops["name"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["may_be", "always"]);
}

#[test]
fn ld_links_objects() {
    let dir = TempDir::new().unwrap();
    let output = dir.join("again.o");
    let link = |input: &std::path::Path| {
        hachi([
            "ld".as_ref(),
            input.as_os_str(),
            "-o".as_ref(),
            output.as_os_str(),
            "--json".as_ref(),
        ])
    };
    let document = link(&object("watcher")).code(0).json();
    assert_eq!(keys(&document), ["diagnostics", "object"]);
    hachi(["inspect".as_ref(), output.as_os_str()])
        .code(0)
        .prints(&["watcher (section xdp)", "COUNTERS", "licence: GPL"]);
    let text = dir.join("notes.txt");
    fs::write(&text, "nothing to link").unwrap();
    let refused = link(&text)
        .code(1)
        .says(&["error[not-linkable]", "notes.txt"]);
    let document = refused.json();
    assert_eq!(document["object"], serde_json::Value::Null);
    let diagnostic = &document["diagnostics"][0];
    assert_eq!(diagnostic["code"]["code"], "not-linkable");
    assert_eq!(diagnostic["level"], "error");
    assert!(
        refused
            .stderr
            .starts_with(diagnostic["rendered"].as_str().unwrap())
    );
    link(&dir.join("absent.o")).code(1).says(&["absent.o"]);
}
