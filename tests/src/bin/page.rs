//! Writes down what the programs of the book's pages give, for pages that nothing can run in.
//!
//! ```text
//! page OBJECT PROGRAM verdict|all|none < SCENES
//! ```
//!
//! The scenes are separated by lines of `----`. Each runs in the virtual machine, and (where the
//! machine's kernel can do that) in the kernel, which must give the same: the same verdict, packet
//! and log with `verdict`, the same contents of maps, too, with `all`. The answer is a JSON list.

// What the module of the page is made of.
#[path = "../../../crates/hachi-vm/examples/wasm/session/mod.rs"]
mod session;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Read as _;
use std::process::ExitCode;

use hachi::maps::{ElementFlags, MapData, RingBuf};
use hachi::programs::TestRunOptions;
use hachi::{Ebpf, EbpfLoader};
use hachi_common::log::{RING_MAP, Sites};
use hachi_obj::{MapSpec, MapType, Spec};
use serde_json::{Value, json};
use session::{Places, Scene, Session, json as write, maps};

/// What is compared with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    None,
    Verdict,
    All,
}

fn main() -> ExitCode {
    match record() {
        Ok(document) => {
            println!("{document}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn record() -> Result<Value, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [object, program, compared] = &arguments[..] else {
        return Err("page OBJECT PROGRAM verdict|all|none < SCENES".into());
    };
    let compared = match compared.as_str() {
        "none" => Compared::None,
        "verdict" => Compared::Verdict,
        "all" => Compared::All,
        other => return Err(format!("{other} is neither verdict nor all nor none").into()),
    };
    let file = std::fs::read(object).map_err(|error| format!("{object}: {error}"))?;
    let mut scenes = String::new();
    std::io::stdin().read_to_string(&mut scenes)?;
    let mut records = Vec::new();
    for text in scenes.split("----\n") {
        let scene = Scene::parse(text)?;
        let mut session = Session::open(&file)?;
        let run: Value = serde_json::from_str(&session.play(program, &scene)?)?;
        let maps: Value = serde_json::from_str(&session.maps()?)?;
        let asked = compared != Compared::None && hachi_test::bpf_available().is_ok();
        if asked {
            let spec = Session::open(&file)?.spec;
            let kernel = in_kernel(spec, program, &scene, compared)?;
            let here = summary(&run, &maps, compared);
            if kernel != here {
                return Err(format!(
                    "`{program}` differs between the virtual machine and the kernel:\n{here:#}\n\
                     {kernel:#}\nThe scene:\n{text}"
                )
                .into());
            }
        }
        records.push(json!({ "run": run, "maps": maps, "kernel": asked }));
    }
    Ok(Value::Array(records))
}

/// What the kernel must give, too.
fn summary(run: &Value, maps: &Value, compared: Compared) -> Value {
    let log: Vec<&Value> = list(&run["log"]).map(|message| &message["text"]).collect();
    let mut summary = json!({
        "verdict": run["verdict"],
        "bytes": run["bytes"],
        "log": log,
    });
    if compared == Compared::All {
        let maps = list(maps).filter(|map| map["entries"].is_array());
        let maps = maps.map(|map| {
            let entries = list(&map["entries"]).map(|entry| {
                // On which CPU a run was is the kernel's affair.
                let values: Vec<&Value> = list(&entry["values"]).map(|of| &of["value"]).collect();
                json!([entry["key"], values])
            });
            (map["name"].to_string(), entries.collect::<Vec<Value>>())
        });
        summary["maps"] = json!(maps.collect::<Vec<_>>());
    }
    summary
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The same scene, in the running kernel.
fn in_kernel(
    mut spec: Spec,
    program: &str,
    scene: &Scene,
    compared: Compared,
) -> Result<Value, Box<dyn Error>> {
    for (name, value) in &scene.globals {
        spec.set_global(name, value)?;
    }
    spec.programs.retain(|of| of.name == program);
    let [of] = &spec.programs[..] else {
        return Err(format!("there is no program `{program}`").into());
    };
    let of = of.clone();
    let mut ebpf = EbpfLoader::new().load_spec(spec.clone())?;
    for entry in &scene.entries {
        if let Some(value) = &entry.value {
            let map = ebpf.map_mut(&entry.map)?.data_mut();
            map.update_bytes(&entry.key, value, ElementFlags::default())?;
        }
    }
    let input = scene.input(&Places::new()).for_kernel(&of)?;
    let loaded = ebpf.program_mut(program)?;
    loaded.load()?;
    let mut options = TestRunOptions::new().context(&input.context);
    if input.has_packet {
        options = options.data(&input.packet).data_out(1 << 16);
    }
    let mut run = loaded.test_run(&options)?;
    for _ in 1..scene.times.unwrap_or(1) {
        run = ebpf.program(program)?.test_run(&options)?;
    }
    let mut packet = run.data;
    if matches!(
        of.program_type,
        hachi_obj::ProgramType::CgroupSkb | hachi_obj::ProgramType::SocketFilter
    ) {
        packet.drain(..14.min(packet.len()));
    }
    let mut document = format!("{{\"verdict\":{}", run.return_value);
    let _ = write!(document, ",\"bytes\":{},\"log\":[", write::hex(&packet));
    let mut records = Vec::new();
    if let Ok(map) = ebpf.map_mut(RING_MAP) {
        RingBuf::try_from(map)?.drain(|record| records.push(record.to_vec()));
    }
    let sites = Sites::new(spec.log_sites.clone().unwrap_or_default());
    session::log(&mut document, &sites, &records);
    document.push_str("]}");
    let run: Value = serde_json::from_str(&document)?;
    Ok(summary(&run, &contents(&spec, &mut ebpf)?, compared))
}

/// What the maps of the kernel hold, in the words of [`maps::all`].
fn contents(spec: &Spec, ebpf: &mut Ebpf) -> Result<Value, Box<dyn Error>> {
    let mut to = String::from("[");
    let is_read = |map: &&MapSpec| {
        let is_buffer = matches!(map.kind, MapType::Ringbuf | MapType::PerfEventArray);
        maps::is_shown(map) && !is_buffer
    };
    let mut problem = None;
    write::list(&mut to, spec.maps.iter().filter(is_read), |to, map| {
        let _ = write!(to, "{{\"name\":{}", write::text(&map.name));
        match entries(spec, map, ebpf) {
            Ok(entries) => maps::write_list(to, &entries),
            Err(error) => problem = Some(error),
        }
    });
    to.push(']');
    match problem {
        Some(error) => Err(error),
        None => Ok(serde_json::from_str(&to)?),
    }
}

fn entries(
    spec: &Spec,
    map: &MapSpec,
    ebpf: &mut Ebpf,
) -> Result<Vec<maps::Entry>, Box<dyn Error>> {
    let data: &MapData = ebpf.map_mut(&map.name)?.data_mut();
    let mut keys = data.key_bytes().collect::<Result<Vec<_>, _>>()?;
    keys.sort();
    let mut all = Vec::new();
    for key in keys {
        let found = data.lookup_bytes(&key, ElementFlags::default())?;
        let values = match found {
            Some(bytes) if data.is_per_cpu() => {
                let size = map.value_size as usize;
                let places = bytes.chunks(size.next_multiple_of(8));
                places.map(|place| place[..size].to_vec()).collect()
            }
            found => found.into_iter().collect::<Vec<_>>(),
        };
        all.extend(maps::entries(spec, map, &key, &values));
    }
    Ok(all)
}
