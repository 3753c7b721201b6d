//! A machine kept as a description says: in a network namespace with interfaces of its own.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hachi_test::{Bpffs, Netns, require_bpf};
use support::{Place, Run, object};

/// A namespace with interfaces `v0` and `v1`, a description, and a BPF file system.
struct Node {
    netns: Netns,
    bpffs: Bpffs,
    place: Place,
}

impl Node {
    fn new() -> Node {
        let node = Node {
            netns: Netns::new().unwrap(),
            bpffs: Bpffs::new().unwrap(),
            place: Place::new(),
        };
        node.add_pair("v0", "v1");
        node.use_object("talker.o");
        node
    }

    fn add_pair(&self, one: &str, two: &str) {
        let add = ["link", "add", one, "type", "veth", "peer", "name", two];
        self.netns.ip(add).unwrap();
    }

    /// Puts an object of the command's tests where the description finds it.
    fn use_object(&self, name: &str) {
        // As a whole, as a deployment does it.
        let (new, path) = (self.place.path("new.o"), self.place.path("program.o"));
        fs::copy(object(name), &new).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Writes the description of one application on these interfaces.
    fn describe(&self, keys: &str) {
        let text = format!("[[application]]\nname = \"app\"\nobject = \"program.o\"\n{keys}\n");
        let (new, path) = (self.place.path("new.toml"), self.config());
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.place.path("agent.toml")
    }

    fn command(&self, command: &str) -> Command {
        let mut process = self.netns.command(env!("CARGO_BIN_EXE_hachi-agent"));
        process.args(["agent", command, "--config"]);
        process
            .arg(self.config())
            .arg("--pins")
            .arg(self.bpffs.join("agent"));
        process.stdin(Stdio::null());
        process
    }

    fn run(&self, command: &str, options: &[&str]) -> Run {
        Run::of(self.command(command).args(options))
    }

    /// The links that are pinned, with the program that each runs.
    fn links(&self) -> Vec<(String, u32)> {
        let directory = self.bpffs.join("agent/app/links");
        let Ok(entries) = fs::read_dir(directory) else {
            return Vec::new();
        };
        let mut links: Vec<(String, u32)> = entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let link = hachi::links::PinnedLink::from_pin(&path).unwrap();
                let hachi::links::OwnedLink::Fd(link) = link.link() else {
                    panic!("a pinned link has a descriptor");
                };
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, link.info().unwrap().program_id())
            })
            .collect();
        links.sort();
        links
    }

    fn wait_for_links(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.links().len() != count {
            assert!(
                Instant::now() < deadline,
                "{count} links expected: {:?}",
                self.links()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An agent that is ended with the test.
struct Agent(Child);

impl Agent {
    fn start(node: &Node) -> Agent {
        Agent(node.command("run").stdout(Stdio::null()).spawn().unwrap())
    }

    fn signal(&mut self, signal: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
        self.0.wait().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn applying_twice_does_nothing_the_second_time() {
    require_bpf!();
    let node = Node::new();
    node.describe("interfaces = [\"v*\"]");
    let dry = node.run("apply", &["--dry-run"]).code(0);
    assert!(node.links().is_empty(), "a dry run changes nothing");
    let wet = node.run("apply", &[]).code(0);
    assert_eq!(dry.stdout, wet.stdout);
    assert_eq!(node.links().len(), 2);
    assert_eq!(node.run("apply", &[]).code(0).stdout, "");
    let status = node.run("status", &["--json"]).json();
    assert_eq!(status["applications"][0]["state"], "as described");
}

#[test]
fn a_new_version_takes_the_place_of_the_old_one_in_the_same_links() {
    require_bpf!();
    let node = Node::new();
    node.describe("interfaces = [\"v*\"]");
    node.run("apply", &[]).code(0);
    let before = node.links();
    node.describe("interfaces = [\"v*\"]\n[application.globals]\nLEVEL = 1");
    let run = node.run("apply", &[]);
    // The object has no such global: the old version runs on.
    run.code(1).says(&["no global LEVEL", "as it was"]);
    assert_eq!(node.links(), before);
    node.use_object("settings.o");
    node.describe("interfaces = [\"v*\"]");
    let out = node.run("diff", &[]).code(0).stdout;
    assert!(
        out.contains("load version") && out.contains("unload version"),
        "{out}"
    );
}

#[test]
fn takes_down_an_application_that_left_the_description() {
    require_bpf!();
    let node = Node::new();
    node.describe("interfaces = [\"v*\"]");
    node.run("apply", &[]).code(0);
    fs::write(node.config(), "").unwrap();
    node.run("apply", &[]).code(0);
    assert!(!node.bpffs.join("agent/app").exists());
}

#[test]
fn a_program_that_fails_its_health_check_is_not_left_running() {
    require_bpf!();
    let node = Node::new();
    let keys = |command: &str| {
        format!(
            "interfaces = [\"v*\"]\n[application.health]\ncommand = [\"{command}\"]\nseconds = 5"
        )
    };
    node.describe(&keys("false"));
    node.run("apply", &[])
        .code(1)
        .says(&["health check", "exit status: 1"]);
    assert!(node.links().is_empty());
    node.describe(&keys("true"));
    node.run("apply", &[]).code(0);
    let before = node.links();
    // Other bytes make another version; its links go back to the old program.
    let path = node.place.path("program.o");
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    node.describe(&keys("false"));
    node.run("apply", &[])
        .code(1)
        .says(&["the old version is back"]);
    assert_eq!(node.links(), before);
}

#[test]
fn an_object_that_is_refused_changes_nothing() {
    require_bpf!();
    let node = Node::new();
    node.describe("interfaces = [\"v*\"]");
    node.run("apply", &[]).code(0);
    let before = node.links();
    fs::write(node.place.path("program.o"), "not an object").unwrap();
    node.run("apply", &[])
        .code(1)
        .says(&["program.o", "as it was"]);
    assert_eq!(node.links(), before);
    node.use_object("rejected.o");
    node.run("apply", &[]).code(1).says(&["app", "as it was"]);
    assert_eq!(node.links(), before);
}

#[test]
fn the_agent_follows_interfaces_and_the_description_as_they_change() {
    require_bpf!();
    let node = Node::new();
    node.describe("interfaces = [\"v*\"]");
    let mut agent = Agent::start(&node);
    node.wait_for_links(2);
    node.add_pair("v2", "other");
    node.wait_for_links(3);
    node.netns.ip(["link", "del", "v0"]).unwrap();
    node.wait_for_links(1);
    node.describe("interfaces = [\"v2\", \"other\"]");
    node.wait_for_links(2);
    agent.signal("TERM");
    // What is attached stays attached.
    assert_eq!(node.links().len(), 2);
}

#[test]
fn an_agent_that_was_killed_is_followed_by_one_that_takes_over() {
    require_bpf!();
    let node = Node::new();
    node.describe("interfaces = [\"v*\"]");
    let mut agent = Agent::start(&node);
    node.wait_for_links(2);
    let before = node.links();
    agent.signal("KILL");
    assert_eq!(node.links(), before, "programs run on");
    let _agent = Agent::start(&node);
    node.add_pair("v2", "other");
    node.wait_for_links(3);
    let after = node.links();
    assert!(
        before.iter().all(|link| after.contains(link)),
        "the same programs: {after:?}"
    );
    let ids: std::collections::BTreeSet<u32> = after.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), 1, "the new link runs the pinned program");
}

/// Without CAP_SYS_ADMIN and all the rest.
#[test]
fn three_capabilities_are_enough_for_a_roll_out_and_its_end() {
    require_bpf!();
    if hachi_test::find_program("setpriv").is_none() {
        hachi_test::skip!("setpriv is not installed");
    }
    let node = Node::new();
    let few = |command: &str| {
        let full = node.command(command);
        let mut process = node.netns.command("setpriv");
        let kept = "-all,+bpf,+net_admin,+perfmon";
        process.args(["--bounding-set", kept, "--inh-caps", kept]);
        process.arg(full.get_program()).args(full.get_args());
        Run::of(process.stdin(Stdio::null()))
    };
    node.describe("interfaces = [\"v*\"]");
    few("apply").code(0);
    let before = node.links();
    assert_eq!(before.len(), 2);
    let path = node.place.path("program.o");
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    node.describe("interfaces = [\"v*\"]\n[application.health]\ncommand = [\"false\"]");
    few("apply").code(1).says(&["the old version is back"]);
    assert_eq!(node.links(), before);
    node.describe("interfaces = [\"v*\"]");
    few("apply").code(0);
    let after = node.links();
    assert_eq!(after.len(), 2);
    assert!(
        after
            .iter()
            .zip(&before)
            .all(|(new, old)| new.0 == old.0 && new.1 != old.1)
    );
    fs::write(node.config(), "").unwrap();
    few("apply").code(0);
    assert!(node.links().is_empty());
}

#[test]
fn a_description_with_a_mistake_is_refused_with_its_place() {
    let place = Place::new();
    let config = place.path("agent.toml");
    fs::write(&config, "[[application]]\nname = \"a\"\nobjekt = \"a.o\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hachi-agent"));
    command.args(["agent", "diff", "--config"]).arg(&config);
    Run::of(&mut command)
        .code(1)
        .says(&["agent.toml:3:1", "objekt", "is it `object`?"]);
}

/// What docs/fleet.md shows is read as it stands.
#[test]
fn the_description_in_the_documentation_is_valid() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/fleet.md")).unwrap();
    let block = page
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let place = Place::new();
    let path = place.path("agent.toml");
    fs::write(&path, block).unwrap();
    let description = hachi_agent::agent::Description::read(&path).unwrap();
    let [application] = description.applications.as_slice() else {
        panic!("one application is described");
    };
    assert_eq!(application.interfaces, ["eth0", "veth*"]);
    assert_eq!(application.health.as_ref().unwrap().seconds, 5);
    // Each key of a description is on the page.
    for key in [
        "image",
        "key",
        "programs",
        "object",
        "cgroups",
        "direction",
        "mode",
        "globals",
    ] {
        assert!(page.contains(key), "{key}");
    }
}
