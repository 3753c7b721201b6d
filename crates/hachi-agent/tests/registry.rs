//! Images through a real registry, on loopback, with other tools on the far side.

mod support;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{Place, object};

/// A registry that ends with the test.
struct Registry {
    process: Child,
    port: u16,
}

impl Registry {
    /// `None` where the program is not installed.
    fn start(place: &Place) -> Option<Registry> {
        hachi_test::find_program("docker-registry")?;
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let data = place.path("registry");
        let config = place.path("registry.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\n",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Registry { process, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the registry does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

macro_rules! registry {
    ($place:expr) => {
        match Registry::start($place) {
            Some(registry) => registry,
            None => hachi_test::skip!("docker-registry is not installed"),
        }
    };
}

fn build(place: &Place, name: &str) -> serde_json::Value {
    let talker = object("talker.o");
    let arguments = ["build", talker.to_str().unwrap(), "-t", name, "--json"];
    place.image(arguments).json()
}

#[test]
fn pulls_exactly_the_bytes_and_the_signature_that_were_pushed() {
    let (here, there) = (Place::new(), Place::new());
    let registry = registry!(&here);
    let name = registry.name("team/talker:1.0");
    let built = build(&here, &name);
    let (private, public) = here.key("key");
    here.image([
        Path::new("sign"),
        Path::new("--key"),
        &private,
        Path::new(&name),
    ])
    .code(0);
    here.image(["push", &name]).code(0);
    // A second time there is nothing to send, and it is not an error.
    here.image(["push", &name]).code(0);
    let pull = [
        Path::new("pull"),
        Path::new("--key"),
        &public,
        Path::new(&name),
    ];
    there.image(pull).code(0);
    assert_eq!(there.image(["inspect", &name, "--json"]).json(), built);
    let verify = [
        Path::new("verify"),
        Path::new("--key"),
        &public,
        Path::new(&name),
    ];
    there.image(verify).code(0);
}

#[test]
fn an_unsigned_image_is_refused_and_nothing_is_stored() {
    let (here, there) = (Place::new(), Place::new());
    let registry = registry!(&here);
    let name = registry.name("team/talker:1.0");
    build(&here, &name);
    here.image(["push", &name]).code(0);
    let (_, public) = here.key("key");
    let pull = [
        Path::new("pull"),
        Path::new("--key"),
        &public,
        Path::new(&name),
    ];
    there.image(pull).code(1).says(&["is not signed"]);
    assert!(!there.path("images").exists());
    // Without a key it is taken.
    there.image(["pull", &name]).code(0);
}

#[test]
fn a_blob_that_the_registry_has_changed_is_refused() {
    let (here, there) = (Place::new(), Place::new());
    let registry = registry!(&here);
    let name = registry.name("team/talker:1.0");
    let built = build(&here, &name);
    here.image(["push", &name]).code(0);
    let digest = built["platforms"][0]["layers"][0]["digest"]
        .as_str()
        .unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let blob = here.path("registry/docker/registry/v2/blobs/sha256");
    let blob = blob.join(&hex[..2]).join(hex).join("data");
    let mut bytes = fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let run = there.image(["pull", &name]).code(1);
    assert!(
        run.stderr.contains("igest") || run.stderr.contains("changed"),
        "{run:?}"
    );
    assert!(!there.path("images").exists());
}

#[test]
fn an_image_that_is_not_there_is_named() {
    let here = Place::new();
    let registry = registry!(&here);
    let name = registry.name("team/absent:1.0");
    here.image(["pull", &name]).code(1).says(&[&name]);
    here.image(["push", &name])
        .code(1)
        .says(&["there is no image", &name]);
}

#[test]
fn a_registry_that_does_not_answer_is_named() {
    let here = Place::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let name = format!("127.0.0.1:{port}/team/talker:1.0");
    build(&here, &name);
    here.image(["push", &name])
        .code(1)
        .says(&["pushing", &name]);
}

#[test]
fn skopeo_reads_what_we_push_and_we_read_what_it_pushes() {
    let (here, there) = (Place::new(), Place::new());
    let registry = registry!(&here);
    if hachi_test::find_program("skopeo").is_none() {
        hachi_test::skip!("skopeo is not installed");
    }
    let skopeo = |arguments: &[&str]| {
        let output = Command::new("skopeo").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let name = registry.name("team/talker:1.0");
    let built = build(&here, &name);
    here.image(["push", &name]).code(0);
    let ours = format!("docker://{name}");
    let seen = skopeo(&["inspect", "--tls-verify=false", &ours]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["Digest"], built["digest"]);
    assert!(
        seen["Labels"]["io.ebpf.programs"]
            .as_str()
            .unwrap()
            .contains("xdp")
    );
    // All platforms, through skopeo, under another name.
    let copy = registry.name("team/copy:1.0");
    let theirs = format!("docker://{copy}");
    skopeo(&[
        "copy",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &ours,
        &theirs,
    ]);
    there.image(["pull", &copy]).code(0);
    let pulled = there.image(["inspect", &copy, "--json"]).json();
    assert_eq!(pulled["digest"], built["digest"]);
    assert_eq!(pulled["platforms"], built["platforms"]);
    // The store is an image layout, which skopeo reads as one.
    let layout = format!("oci:{}:{copy}", there.path("images").display());
    let raw = skopeo(&["inspect", "--raw", &layout]);
    assert!(raw.contains("manifests"), "{raw}");
}
