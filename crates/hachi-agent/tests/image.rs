//! Images of objects: built, stored, signed, taken apart; and what is wrong with them.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use hachi_agent::image::{Builder, LayerKind, Layout, Platform, Store};
use support::{Place, object};

const NAME: &str = "registry.example/team/talker:1.0";

fn built(place: &Place) {
    let talker = object("talker.o");
    place
        .image([
            Path::new("build"),
            &talker,
            Path::new("-t"),
            Path::new(NAME),
        ])
        .code(0);
}

/// The blobs of the store, with the largest first.
fn blobs(place: &Place) -> Vec<PathBuf> {
    let mut blobs: Vec<PathBuf> = fs::read_dir(place.path("images/blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    blobs.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    blobs
}

#[test]
fn the_same_objects_give_the_same_bytes() {
    let (one, two) = (Place::new(), Place::new());
    built(&one);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // The file's own time and mode are not in the image.
    let copy = two.path("talker.o");
    fs::copy(object("talker.o"), &copy).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&copy, mode).unwrap();
    let arguments = [Path::new("build"), &copy, Path::new("-t"), Path::new(NAME)];
    two.image(arguments).code(0);
    let files = |place: &Place| {
        let mut files: Vec<(String, Vec<u8>)> = blobs(place)
            .iter()
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read(path).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    assert_eq!(files(&one), files(&two));
    assert_eq!(
        fs::read(one.path("images/index.json")).unwrap(),
        fs::read(two.path("images/index.json")).unwrap()
    );
}

#[test]
fn an_image_lists_the_programs_and_maps_of_its_objects() {
    let place = Place::new();
    built(&place);
    let document = place.image(["inspect", NAME, "--json"]).json();
    let platforms = document["platforms"].as_array().unwrap();
    let spec = hachi_obj::Spec::parse_vec(fs::read(object("talker.o")).unwrap()).unwrap();
    for platform in platforms {
        let object = &platform["objects"][0];
        let names: Vec<&str> = object["programs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|program| program["name"].as_str().unwrap())
            .collect();
        let expected: Vec<&str> = spec.programs.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, expected);
        assert_eq!(object["license"], spec.license.as_str());
        let (major, minor) = hachi_obj::inspect::minimum_kernel(&spec);
        assert_eq!(object["kernel"], format!("{major}.{minor}"));
    }
}

#[test]
fn an_extracted_object_is_the_one_that_was_put_in() {
    let place = Place::new();
    built(&place);
    let out = place.path("out");
    let arguments = [
        Path::new("extract"),
        Path::new(NAME),
        Path::new("--out"),
        &out,
    ];
    place.image(arguments).code(0);
    assert_eq!(
        fs::read(out.join("talker.o")).unwrap(),
        fs::read(object("talker.o")).unwrap()
    );
}

/// bpfman takes the first file of the first layer, and the labels of the configuration.
#[test]
fn labels_and_layers_are_as_bpfman_reads_them() {
    let mut builder = Builder::new(Layout::Bytecode);
    let bytes = fs::read(object("settings.o")).unwrap();
    builder
        .object(Path::new("settings.o"), bytes.clone(), &[])
        .unwrap();
    let image = builder.build().unwrap();
    let content = image.content_for("arm64".parse().unwrap()).unwrap();
    let [layer] = content.manifest.layers().as_slice() else {
        panic!("one object is one layer");
    };
    assert_eq!(
        layer.media_type().to_string(),
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    let layers = image.layers(&content).unwrap();
    assert_eq!(
        (layers[0].kind, &layers[0].bytes),
        (LayerKind::Object, &bytes)
    );
    let config = image.blob(content.manifest.config().digest()).unwrap();
    let config: serde_json::Value = serde_json::from_slice(config).unwrap();
    assert_eq!(config["architecture"], "arm64");
    let labels = &config["config"]["Labels"];
    for label in ["io.ebpf.programs", "io.ebpf.maps"] {
        let text = labels[label].as_str().unwrap();
        let map: std::collections::BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        assert!(label.ends_with("maps") || !map.is_empty());
    }
}

#[test]
fn a_gadget_image_holds_the_object_and_a_yaml_configuration() {
    let mut builder = Builder::new(Layout::Gadget);
    let bytes = fs::read(object("talker.o")).unwrap();
    builder
        .object(
            Path::new("talker.o"),
            bytes.clone(),
            &["amd64".parse().unwrap()],
        )
        .unwrap();
    builder.btf("5.4.0-1-generic", b"types".to_vec());
    let image = builder.build().unwrap();
    let content = image.content_for("amd64".parse().unwrap()).unwrap();
    let manifest = serde_json::to_value(&content.manifest).unwrap();
    assert_eq!(manifest["artifactType"], "application/vnd.gadget.v1+binary");
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.gadget.config.v1+yaml"
    );
    let types: Vec<&str> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "application/vnd.gadget.ebpf.program.v1+binary",
            "application/vnd.gadget.btfgen.v1+binary"
        ]
    );
    assert_eq!(image.layers(&content).unwrap()[0].bytes, bytes);
}

#[test]
fn a_changed_blob_is_refused_by_its_digest() {
    let place = Place::new();
    built(&place);
    for blob in blobs(&place) {
        let good = fs::read(&blob).unwrap();
        let mut bad = good.clone();
        bad[0] ^= 1;
        fs::write(&blob, bad).unwrap();
        place
            .image(["inspect", NAME])
            .code(1)
            .says(&["has been changed", "sha256:"]);
        fs::write(&blob, good).unwrap();
    }
    place.image(["inspect", NAME]).code(0);
}

#[test]
fn a_missing_blob_is_named() {
    let place = Place::new();
    built(&place);
    let blob = blobs(&place).remove(0);
    fs::remove_file(&blob).unwrap();
    let digest = blob.file_name().unwrap().to_string_lossy().into_owned();
    place
        .image(["inspect", NAME])
        .code(1)
        .says(&["is missing", &digest]);
}

#[test]
fn refuses_a_file_that_is_not_an_object_and_keeps_the_stored_images() {
    let place = Place::new();
    built(&place);
    let index = fs::read(place.path("images/index.json")).unwrap();
    let text = place.path("text.o");
    fs::write(&text, "not an object").unwrap();
    for (path, words) in [
        (text, "text.o"),
        (place.path("absent.o"), "absent.o"),
        (PathBuf::from("/dev/zero"), "not a regular file"),
    ] {
        let arguments = [Path::new("build"), &path, Path::new("-t"), Path::new(NAME)];
        place.image(arguments).code(1).says(&[words]);
    }
    assert_eq!(fs::read(place.path("images/index.json")).unwrap(), index);
}

#[test]
fn refuses_an_object_for_a_platform_of_the_other_byte_order() {
    let place = Place::new();
    let option = format!("s390x={}", object("talker.o").display());
    place
        .image(["build", "--arch", &option, "-t", NAME])
        .code(1)
        .says(&["little-endian", "s390x"]);
    let option = format!("vax={}", object("talker.o").display());
    place
        .image(["build", "--arch", &option, "-t", NAME])
        .code(1)
        .says(&["vax", "amd64, arm64"]);
    place
        .image(["build", "--arch", "amd64", "-t", NAME])
        .code(2)
        .says(&["= is missing"]);
}

#[test]
fn an_object_that_reads_registers_is_for_this_machine_alone() {
    let mut builder = Builder::new(Layout::Bytecode);
    let spec = |name: &str| fs::read(object(name)).unwrap();
    builder
        .object(Path::new("watcher.o"), spec("watcher.o"), &[])
        .unwrap();
    builder
        .object(Path::new("settings.o"), spec("settings.o"), &[])
        .unwrap();
    for (name, platforms, spec) in builder.objects() {
        let registers = spec
            .programs
            .iter()
            .any(|p| p.program_type == hachi_obj::ProgramType::Kprobe);
        match registers {
            true => assert_eq!(platforms, [Platform::current().unwrap()], "{name}"),
            false => assert!(platforms.len() > 4, "{name}"),
        }
    }
}

#[test]
fn names_that_are_wrong_are_refused_and_near_ones_suggested() {
    let place = Place::new();
    built(&place);
    place
        .image(["inspect", "registry.example/team/talker:2.0"])
        .code(1)
        .says(&["there is no image", &format!("is it {NAME}?")]);
    for name in ["", "a b", "x:y:z", "reg/..//x"] {
        place
            .image(["inspect", name])
            .code(1)
            .says(&["is not the name of an image"]);
    }
}

#[test]
fn a_signature_holds_for_one_key_and_one_image() {
    let place = Place::new();
    let ((private, public), (_, other)) = (place.key("ours"), place.key("theirs"));
    built(&place);
    let verify = |key: &Path| {
        place.image([
            Path::new("verify"),
            Path::new("--key"),
            key,
            Path::new(NAME),
        ])
    };
    verify(&public)
        .code(1)
        .says(&["is not signed", "hachi image sign"]);
    let sign = [
        Path::new("sign"),
        Path::new("--key"),
        &private,
        Path::new(NAME),
    ];
    place.image(sign).code(0);
    verify(&public).code(0);
    verify(&other)
        .code(1)
        .says(&["no signature is by that key"]);
    // Another image under the same name is not signed.
    let settings = object("settings.o");
    let build = [
        Path::new("build"),
        &settings,
        Path::new("-t"),
        Path::new(NAME),
    ];
    place.image(build).code(0);
    verify(&public).code(1).says(&["is not signed"]);
}

#[test]
fn two_keys_can_sign_and_signing_twice_changes_nothing() {
    let place = Place::new();
    let (one, two) = (place.key("one"), place.key("two"));
    built(&place);
    let sign = |key: &Path| {
        let arguments = [Path::new("sign"), Path::new("--key"), key, Path::new(NAME)];
        place.image(arguments).code(0).stdout
    };
    let once = sign(&one.0);
    assert_eq!(sign(&one.0), once);
    sign(&two.0);
    for key in [&one.1, &two.1] {
        place
            .image([
                Path::new("verify"),
                Path::new("--key"),
                key,
                Path::new(NAME),
            ])
            .code(0);
    }
}

#[test]
fn refuses_keys_that_are_not_keys() {
    let place = Place::new();
    built(&place);
    let (private, public) = place.key("key");
    let sign = |key: &Path| {
        place
            .image([Path::new("sign"), Path::new("--key"), key, Path::new(NAME)])
            .code(1)
    };
    sign(&public).says(&["not a key", "openssl genpkey"]);
    sign(Path::new("/dev/null")).says(&["not a regular file"]);
    let verify = [
        Path::new("verify"),
        Path::new("--key"),
        &private,
        Path::new(NAME),
    ];
    place
        .image(verify)
        .code(1)
        .says(&["P-256 public key", "-pubout"]);
}

/// A layer's archive can name any path; only a plain name is written, and only under `--out`.
#[test]
fn a_hostile_name_in_a_layer_does_not_leave_the_directory() {
    let place = Place::new();
    let mut builder = Builder::new(Layout::Gadget);
    let bytes = fs::read(object("talker.o")).unwrap();
    builder.object(Path::new("talker.o"), bytes, &[]).unwrap();
    let image = builder.build().unwrap();
    let store = Store::at(place.path("images"));
    store.save(NAME, &image).unwrap();
    // The title of a gadget's layer is the name of its file.
    let mut documents = Vec::new();
    for blob in blobs(&place) {
        let text = fs::read(&blob).unwrap();
        if let Ok(text) = String::from_utf8(text) {
            documents.push((blob, text));
        }
    }
    let manifests: Vec<_> = documents
        .iter()
        .filter(|(_, text)| text.contains("program.o"))
        .collect();
    assert!(!manifests.is_empty());
    let mut index = documents
        .iter()
        .find(|(_, text)| text.contains("\"manifests\""))
        .map(|(_, text)| text.clone())
        .unwrap();
    let mut hostile = image.clone();
    for (path, text) in manifests {
        let bad = text.replace("program.o", "../evil.o");
        let old = path.file_name().unwrap().to_string_lossy().into_owned();
        let digest = sha256(bad.as_bytes());
        index = index.replace(&old, &digest);
        index = index.replace(
            &format!("\"size\":{}", text.len()),
            &format!("\"size\":{}", bad.len()),
        );
        hostile
            .blobs
            .insert(format!("sha256:{digest}"), bad.into_bytes());
    }
    let digest = sha256(index.as_bytes());
    hostile
        .root
        .set_digest(format!("sha256:{digest}").parse().unwrap());
    hostile.root.set_size(index.len() as u64);
    hostile
        .blobs
        .insert(format!("sha256:{digest}"), index.into_bytes());
    store.save(NAME, &hostile).unwrap();
    let out = place.path("out");
    let extract = [
        Path::new("extract"),
        Path::new(NAME),
        Path::new("--out"),
        &out,
    ];
    place
        .image(extract)
        .code(1)
        .says(&["is not the name of a file"]);
    assert!(!place.path("evil.o").exists());
}

fn sha256(bytes: &[u8]) -> String {
    use std::io::Write as _;
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

#[test]
fn removing_an_image_leaves_the_blobs_of_others() {
    let place = Place::new();
    built(&place);
    let again = "registry.example/team/talker:latest";
    let talker = object("talker.o");
    let build = [
        Path::new("build"),
        &talker,
        Path::new("-t"),
        Path::new(again),
    ];
    place.image(build).code(0);
    let count = blobs(&place).len();
    place.image(["remove", again]).code(0);
    assert_eq!(blobs(&place).len(), count);
    place.image(["inspect", NAME]).code(0);
    place.image(["remove", NAME]).code(0);
    assert!(blobs(&place).is_empty());
    place
        .image(["remove", NAME])
        .code(1)
        .says(&["there is no image"]);
}
