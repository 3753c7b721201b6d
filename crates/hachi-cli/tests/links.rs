//! `hachi link`: everything that is attached is listed, and can be ended.

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use hachi::Ebpf;
use hachi::links::LinkError;
use hachi::programs::{
    AttachOptions, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, NlOptions, ProgramError,
    SchedClassifier, TcAttachOptions, TcAttachType, UProbe, Xdp, XdpFlags,
};
use hachi_test::{Bpffs, Cgroup, Guarded, Netns, require_bpf, skip};
use serde_json::Value;
use support::{keys, object, run};

fn inside(netns: &Netns, arguments: &[&str]) -> Command {
    let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

fn links(netns: &Netns) -> Vec<Value> {
    let mut document = run(&mut inside(netns, &["link", "list", "--json"]))
        .code(0)
        .json();
    let links = document["links"].take();
    links.as_array().unwrap().clone()
}

/// The one with this program, waited for.
fn of_program(netns: &Netns, program: &str) -> Value {
    for _ in 0..200 {
        let found = links(netns)
            .into_iter()
            .find(|link| link["program"] == program);
        if let Some(link) = found {
            return link;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{program} is not listed");
}

#[test]
fn links_are_listed_with_their_places() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let places = object("places").display().to_string();
    let programs = ["first", "second", "forked", "exited"];
    let mut arguments = vec!["run", &places, "--iface", "lo", "--quiet"];
    arguments.extend(programs.iter().flat_map(|name| ["--program", name]));
    let mut command = inside(&netns, &arguments);
    let running = Guarded::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    let shown = |program: &str| of_program(&netns, program)["target"].clone();
    // Before, classifiers are filters.
    let has_tcx = !hachi_test::kernel_is_older_than("6.6");

    for (program, position) in [("first", 1), ("second", 2)] {
        of_program(&netns, "second");
        let target = shown(program);
        assert_eq!(target["name"], "lo");
        assert_eq!(target["direction"], "ingress");
        if has_tcx {
            assert_eq!(
                keys(&target),
                ["direction", "index", "kind", "name", "position"]
            );
            assert_eq!(target["position"], position);
        } else {
            let place = [
                "direction",
                "filter",
                "handle",
                "index",
                "kind",
                "name",
                "place",
                "priority",
            ];
            assert_eq!(keys(&target), place);
            assert_eq!(target["filter"], program);
        }
    }
    let target = shown("exited");
    assert_eq!(target["kind"], "raw_tracepoint");
    assert_eq!(target["name"], "sched_process_exit");
    if shown("forked") != Value::Null {
        assert_eq!(shown("forked")["name"], "sched_process_fork");
    }
    let text = run(&mut inside(&netns, &["link", "list"])).code(0).stdout;
    let place = match has_tcx {
        true => "lo ingress, 1 of 2",
        false => "lo ingress, filter of priority",
    };
    assert!(text.contains(place), "{text}");
    assert!(text.contains("raw tracepoint sched_process_exit"), "{text}");

    // What is ended is said.
    let first = of_program(&netns, "first");
    let id = match has_tcx {
        true => first["id"].to_string(),
        false => first["target"]["place"].as_str().unwrap().to_owned(),
    };
    run(&mut inside(&netns, &["link", "detach", &id]))
        .code(0)
        .prints(&[&id, "program first from lo ingress"]);
    if has_tcx {
        // The process holds what is left of it.
        assert_eq!(shown("first")["index"], 0);
        assert_eq!(shown("second")["position"], 1);
    } else {
        let all = links(&netns);
        assert!(all.iter().all(|link| link["program"] != "first"), "{all:?}");
    }
    let (status, output) = running.interrupt(Duration::from_secs(10)).unwrap();
    assert!(status.success(), "{output}");
}

/// Attaches a program of `places.o` by its section, or says why this kernel cannot.
fn attach(ebpf: &mut Ebpf, program: &str, options: &AttachOptions) -> Result<(), ProgramError> {
    let program = ebpf.program_mut(program).unwrap();
    program.load()?;
    program.attach_by_section(options).map(drop)
}

#[test]
fn probes_of_the_kernel_are_listed_with_their_functions() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    for (program, kind) in [("entered", "kprobe"), ("left", "kretprobe")] {
        let mut ebpf = Ebpf::load_file(object("places")).unwrap();
        match attach(&mut ebpf, program, &AttachOptions::new()) {
            Err(ProgramError::Attach {
                error: LinkError::NoKprobes,
                ..
            }) => skip!("this kernel has no kprobes"),
            attached => attached.unwrap(),
        }
        let listed = of_program(&netns, program);
        let target = &listed["target"];
        assert_eq!(target["kind"], kind, "{listed}");
        let name = target["name"].as_str().unwrap();
        assert!(name.ends_with("sys_getpgid"), "{listed}");
        let text = run(&mut inside(&netns, &["link", "list"])).code(0).stdout;
        assert!(text.contains(&format!("{kind} {name}")), "{text}");
        drop(ebpf);
        assert!(links(&netns).iter().all(|link| link["program"] != program));
    }
}

#[test]
fn probes_of_programs_are_listed_with_their_files() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let this = std::env::current_exe().unwrap();
    let mut ebpf = Ebpf::load_file(object("places")).unwrap();
    let program: &mut UProbe = ebpf.program_mut("called").unwrap().try_into().unwrap();
    program.load().unwrap();
    program.attach("main", &this, None, None).unwrap();
    let listed = of_program(&netns, "called");
    let target = &listed["target"];
    assert_eq!(target["kind"], "uprobe", "{listed}");
    assert_eq!(target["name"], this.display().to_string(), "{listed}");
    assert_ne!(target["offset"], 0, "{listed}");
    drop(ebpf);
    assert!(links(&netns).iter().all(|link| link["program"] != "called"));
}

#[test]
fn programs_of_both_ends_of_a_netkit_pair_are_listed_in_their_order() {
    require_bpf!();
    hachi_test::require_kernel!("6.7", "netkit");
    let netns = Netns::new().unwrap();
    match netns.ip(["link", "add", "pair0", "type", "netkit"]) {
        Err(error) if error.to_string().contains("Unknown device type") => {
            skip!("this kernel was built without CONFIG_NETKIT")
        }
        made => made.unwrap(),
    };
    let options = AttachOptions::new().interface("pair0");
    let attached = |program| {
        let mut ebpf = Ebpf::load_file(object("places")).unwrap();
        netns.run(|| attach(&mut ebpf, program, &options)).unwrap();
        ebpf
    };
    let _first = attached("peer");
    let both = [attached("primary"), attached("primary")];
    let peer = of_program(&netns, "peer");
    assert_eq!(peer["target"]["name"], "pair0", "{peer}");
    assert_eq!(peer["target"]["direction"], "peer", "{peer}");
    let all = links(&netns);
    let primary = all.iter().filter(|link| link["program"] == "primary");
    let mut positions: Vec<u64> = primary
        .map(|link| {
            assert_eq!(link["target"]["direction"], "primary", "{link}");
            link["target"]["position"].as_u64().unwrap()
        })
        .collect();
    positions.sort_unstable();
    assert_eq!(positions, [1, 2]);
    let text = run(&mut inside(&netns, &["link", "list"])).code(0).stdout;
    assert!(text.contains("pair0 primary, 1 of 2"), "{text}");
    // What is ended is said.
    let id = peer["id"].to_string();
    run(&mut inside(&netns, &["link", "detach", &id]))
        .code(0)
        .prints(&[&id, "program peer from pair0 peer"]);
    drop(both);
}

/// A cgroup's program in a mode that has no link.
#[test]
fn programs_of_cgroups_without_a_link_are_listed() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let Ok(cgroup) = Cgroup::new() else {
        skip!("no cgroup can be made here");
    };
    let mut ebpf = hachi::Ebpf::load_file(object("places")).unwrap();
    let program: &mut CgroupSkb = ebpf.program_mut("sent").unwrap().try_into().unwrap();
    program.load().unwrap();
    let dir = std::fs::File::open(cgroup.path()).unwrap();
    let kind = CgroupSkbAttachType::Egress;
    program.attach(dir, kind, CgroupAttachMode::Single).unwrap();
    let listed = of_program(&netns, "sent");
    assert_eq!(listed["type"], "cgroup");
    assert_eq!(listed["id"], Value::Null);
    assert_eq!(listed["target"]["attach_type"], "cgroup_inet_egress");
    let path = cgroup.path().display().to_string();
    assert_eq!(listed["target"]["path"], path);
    let place = listed["target"]["place"].as_str().unwrap();
    run(&mut inside(&netns, &["link", "detach", place]))
        .code(0)
        .prints(&[place, "program sent from cgroup"]);
    assert!(links(&netns).iter().all(|link| link["program"] != "sent"));
}

/// What a process leaves that is killed on a kernel without links of classifiers.
#[test]
fn run_list_and_doctor_name_what_a_killed_process_left() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let attach = |priority| {
        let mut ebpf = hachi::Ebpf::load_file(object("places")).unwrap();
        let program = ebpf.program_mut("filter").unwrap();
        let program: &mut SchedClassifier = program.try_into().unwrap();
        program.load().unwrap();
        let id = netns.run(|| {
            let options = TcAttachOptions::Netlink(NlOptions::new(priority, 1));
            program.attach_with_options("lo", TcAttachType::Ingress, options)
        });
        let link = program.take_link(id.unwrap()).unwrap();
        (ebpf, link)
    };
    let (_, killed) = attach(3);
    killed.keep().unwrap();
    // One whose process lives, and one that is pinned, are in order.
    let living = attach(4);
    let bpffs = Bpffs::new().unwrap();
    let (_, pinned) = attach(5);
    pinned.pin(bpffs.join("filter")).unwrap();

    let places = object("places").display().to_string();
    let (place, others) = ("tc:lo:ingress:3:1", ["ingress:4", "ingress:5"]);
    let undo = format!("hachi link detach {place}");
    let doctor = run(&mut inside(&netns, &["doctor", "--run", "--json"])).json();
    let fixes = || {
        doctor["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| &check["fix"])
    };
    assert!(fixes().any(|fix| *fix == undo.as_str()), "{doctor:#}");
    let arguments = [
        "run",
        &places,
        "--program",
        "filter",
        "--iface",
        "lo",
        "--duration",
        "0",
    ];
    let said = run(&mut inside(&netns, &arguments)).code(0).stderr;
    assert!(said.contains(&undo) && said.contains("killed"), "{said}");
    for other in others {
        assert!(!said.contains(other), "{said}");
        assert!(!doctor.to_string().contains(other), "{doctor:#}");
    }
    run(&mut inside(&netns, &["link", "list"]))
        .code(0)
        .prints(&[place]);
    run(&mut inside(&netns, &["link", "detach", place])).code(0);
    let said = run(&mut inside(&netns, &arguments)).code(0).stderr;
    assert!(!said.contains("killed"), "{said}");
    drop(living);
}

/// The same of interfaces and cgroups, which hold a program without a link.
#[test]
fn programs_of_interfaces_and_cgroups_that_a_killed_process_left_are_named() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut ebpf = Ebpf::load_file(object("watcher")).unwrap();
    let program: &mut Xdp = ebpf.program_mut("watcher").unwrap().try_into().unwrap();
    program.load().unwrap();
    let by_netlink = XdpFlags::SKB_MODE | XdpFlags::REPLACE;
    let id = netns.run(|| program.attach("lo", by_netlink)).unwrap();
    let on_interface = program.take_link(id).unwrap();
    let mut places = vec![("xdp:lo:skb".to_owned(), "watcher")];

    let cgroup = Cgroup::new();
    let mut sent = Ebpf::load_file(object("places")).unwrap();
    let mut on_cgroup = None;
    if let Ok(cgroup) = &cgroup {
        let program: &mut CgroupSkb = sent.program_mut("sent").unwrap().try_into().unwrap();
        program.load().unwrap();
        let dir = std::fs::File::open(cgroup.path()).unwrap();
        let kind = CgroupSkbAttachType::Egress;
        let id = program.attach(dir, kind, CgroupAttachMode::Single).unwrap();
        on_cgroup = Some(program.take_link(id).unwrap());
        let listed = of_program(&netns, "sent")["target"].clone();
        places.push((listed["place"].as_str().unwrap().to_owned(), "sent"));
    }
    // The next run is of the same program, and fails where one is in its way.
    let (watcher, placed) = (object("watcher"), object("places"));
    let path = cgroup
        .as_ref()
        .map_or("", |cgroup| cgroup.path().to_str().unwrap());
    let told = |place: &str, program: &str| {
        let next = match program {
            "watcher" => ["run", watcher.to_str().unwrap(), "--iface", "lo"],
            _ => ["run", placed.to_str().unwrap(), "--cgroup", path],
        };
        let next = [&next[..], &["--program", program, "--duration", "0"]].concat();
        [&["doctor", "--run"][..], &next].map(|words| {
            let run = run(&mut inside(&netns, words));
            (run.stdout + &run.stderr).contains(&format!("hachi link detach {place}"))
        })
    };
    // As long as a process has them, they are in order.
    for (place, program) in &places {
        assert_eq!(told(place, program), [false, false], "{place}");
    }
    on_interface.keep().unwrap();
    if let Some(link) = on_cgroup {
        link.keep().unwrap();
    }
    drop((ebpf, sent));
    for (place, program) in &places {
        assert_eq!(told(place, program), [true, true], "{place}");
    }
    for (place, program) in &places {
        run(&mut inside(&netns, &["link", "list"]))
            .code(0)
            .prints(&[place, program]);
        run(&mut inside(&netns, &["link", "detach", place]))
            .code(0)
            .prints(&[place, &format!("program {program} from ")]);
        assert!(links(&netns).iter().all(|link| link["program"] != *program));
    }
    for (place, program) in &places {
        assert_eq!(told(place, program), [false, false], "{place}");
    }
}

/// Pins in the making.
#[test]
fn pins_that_a_killed_run_left_are_named_by_run_list_and_doctor() {
    require_bpf!();
    let (netns, bpffs) = (Netns::new().unwrap(), Bpffs::new().unwrap());
    std::fs::create_dir(bpffs.join("wall-unfinished")).unwrap();
    let dir = bpffs.join("wall").display().to_string();
    let undo = format!("hachi unpin -r {dir}");
    let watcher = object("watcher").display().to_string();
    let uses: [&[&str]; 3] = [
        &["link", "list"],
        &["doctor", "--run"],
        &["run", "--iface", "lo", "--duration", "0", &watcher],
    ];
    let told = |words: &[&str]| {
        let run = run(&mut inside(&netns, words));
        (run.stdout + &run.stderr).contains(&undo)
    };
    for words in uses {
        assert!(told(words), "{words:?}");
    }
    // One that a process is making is no matter of others.
    let lock = std::fs::File::open(bpffs.join("wall-unfinished")).unwrap();
    lock.lock().unwrap();
    for words in uses {
        assert!(!told(words), "{words:?}");
    }
    run(&mut inside(&netns, &["unpin", "-r", &dir]))
        .code(1)
        .says(&["at this moment"]);
    drop(lock);
    run(&mut inside(&netns, &["unpin", "-r", &dir])).code(0);
    assert!(!bpffs.join("wall-unfinished").exists());
}

/// As programs are attached on kernels without links of classifiers: it stays without a process.
#[test]
fn filters_without_a_link_are_listed_and_ended() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut ebpf = hachi::Ebpf::load_file(object("places")).unwrap();
    let program = ebpf.program_mut("filter").unwrap();
    let program: &mut SchedClassifier = program.try_into().unwrap();
    program.load().unwrap();
    let options = NlOptions::new(7, 0x1f);
    let id = netns
        .run(|| {
            let options = TcAttachOptions::Netlink(options);
            program.attach_with_options("lo", TcAttachType::Egress, options)
        })
        .unwrap();
    program.take_link(id).unwrap().keep().unwrap();
    drop(ebpf);
    let listed = of_program(&netns, "filter");
    assert_eq!(listed["type"], "tc");
    assert_eq!(listed["id"], Value::Null);
    assert_eq!(listed["target"]["direction"], "egress");
    assert_eq!(listed["target"]["priority"], 7);
    let place = "tc:lo:egress:7:1f";
    assert_eq!(listed["target"]["place"], place);
    run(&mut inside(&netns, &["link", "list"]))
        .code(0)
        .prints(&[place, "filter of priority 7"]);
    run(&mut inside(
        &netns,
        &["link", "detach", "tc:lo:egress:8:1f"],
    ))
    .code(1)
    .says(&["nothing is attached", "hachi link list"]);
    run(&mut inside(&netns, &["link", "detach", place]))
        .code(0)
        .prints(&[place, "program filter from lo egress"]);
    assert!(links(&netns).iter().all(|link| link["program"] != "filter"));
}
