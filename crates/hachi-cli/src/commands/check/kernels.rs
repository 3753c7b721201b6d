//! The same question to other kernels, each in a guest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hachi_build::Arch;
use hachi_guest::{Guest, Kernel, Run};
use hachi_obj::inspect;
use serde_json::{Value, json};

use crate::commands::foreign::{self, Program};
use crate::commands::kernels::{self, Wanted};
use crate::failure::{Failure, Result};
use crate::machine;
use crate::object::Object;

/// What one kernel said.
pub struct Answer {
    /// As it was asked for: `6.1`.
    pub version: String,
    pub release: String,
    pub time: Duration,
    /// Why it said nothing.
    pub problem: Option<String>,
    /// As `hachi check --json` prints them.
    pub objects: Vec<Value>,
}

/// What kernels are asked, and what they need for it.
pub struct Question<'q> {
    pub objects: &'q [(PathBuf, Object)],
    /// Only these programs, if any are named.
    pub programs: &'q [String],
    /// The directory with the modules of kernels given by their images.
    pub modules: Option<&'q Path>,
    /// The types of kernels that have none.
    pub btf: Option<&'q Path>,
}

/// How long a kernel may take over all objects.
const SECONDS: u64 = 600;

/// Asks all kernels, some at a time.
pub fn ask(wanted: &[Wanted], arch: Option<Arch>, question: &Question<'_>) -> Result<Vec<Answer>> {
    let Question {
        objects,
        programs,
        modules,
        btf,
    } = *question;
    let arch = match arch {
        Some(arch) => arch,
        None => kernels::here()?,
    };
    // First what may be missing.
    let cross = foreign::cross(Some(arch))?;
    let kernels = kernels::find(wanted, arch, modules)?;
    let directory = tempfile::tempdir()
        .map_err(|error| Failure::because("making a directory for objects", &error))?;
    let mut arguments = vec!["check".to_owned(), "--json".to_owned()];
    for program in programs {
        arguments.extend(["--program".to_owned(), program.clone()]);
    }
    let copy = |path: &Path, name: &str| {
        let copy = directory.path().join(name);
        std::fs::copy(path, &copy).map_err(|error| {
            Failure::because(format_args!("copying {}", path.display()), &error)
        })?;
        Ok::<_, Failure>(copy.display().to_string())
    };
    if let Some(btf) = btf {
        arguments.extend(["--btf".to_owned(), copy(btf, "kernel.btf")?]);
    }
    // Guests get copies under numbers, since two objects may have one name.
    for (number, (path, _)) in objects.iter().enumerate() {
        arguments.push(copy(path, &format!("{number}.o"))?);
    }
    let (mut guest, program) = match cross {
        Some(cross) => foreign::guest(&cross, Program::Hachi)?,
        None => {
            let this = std::env::current_exe()
                .map_err(|error| Failure::because("finding this program", &error))?;
            (Guest::new().map_err(kernels::failure)?, this)
        }
    };
    guest
        .add_run(Run {
            program: program.display().to_string(),
            arguments,
            directory: directory.path().display().to_string(),
            environment: vec![("NO_COLOR".to_owned(), "1".to_owned())],
            seconds: SECONDS,
            ..Run::default()
        })
        .map_err(kernels::failure)?;
    let stop = kernels::stop_on_signal()?;
    let next = Mutex::new(kernels.iter().enumerate());
    let answers = Mutex::new(BTreeMap::new());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors.clamp(1, kernels.len()) {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().map(|mut next| next.next());
                    let Ok(Some((number, (version, kernel)))) = taken else {
                        break;
                    };
                    let start = Instant::now();
                    let results = guest.run(kernel, stop, &mut |_| {});
                    let said = match results {
                        Ok(results) => {
                            document(results.first().map_or("", |result| &result.output))
                        }
                        Err(error) => Err(error.to_string()),
                    };
                    let (mut found, problem) = match said {
                        Ok(objects) => (objects, None),
                        Err(problem) => (Vec::new(), Some(problem)),
                    };
                    complete(&mut found, objects, kernel);
                    let answer = Answer {
                        version: version.clone(),
                        release: kernel.release().to_owned(),
                        time: start.elapsed(),
                        problem,
                        objects: found,
                    };
                    if let Ok(mut answers) = answers.lock() {
                        answers.insert(number, answer);
                    }
                }
            });
        }
    });
    let answers = answers
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    Ok(answers.into_values().collect())
}

/// The objects in what the command printed in the guest.
fn document(output: &str) -> std::result::Result<Vec<Value>, String> {
    let found = output.lines().rev().find_map(|line| {
        let document: Value = serde_json::from_str(line).ok()?;
        (document["reason"] == "check-finished").then(|| document["objects"].as_array().cloned())?
    });
    found.ok_or_else(|| match output.trim() {
        "" => "the guest printed nothing".to_owned(),
        output => format!("the guest said: {output}"),
    })
}

/// Gives objects their paths back, and says of programs that were not judged what they need.
fn complete(found: &mut [Value], objects: &[(PathBuf, Object)], kernel: &Kernel) {
    for (value, (path, object)) in found.iter_mut().zip(objects) {
        value["path"] = path.to_string_lossy().into();
        let Some(programs) = value["programs"].as_array_mut() else {
            continue;
        };
        for program in programs {
            let needs = needs(
                object,
                program["name"].as_str().unwrap_or_default(),
                kernel.release(),
            );
            program["needs"] = needs.clone();
            if program["verdict"] == "not judged" && needs.as_array().is_some_and(|n| !n.is_empty())
            {
                program["verdict"] = "needs newer".into();
            }
        }
    }
}

/// What a program and the maps of its object use that this kernel is too old for.
fn needs(object: &Object, program: &str, release: &str) -> Value {
    let Some(kernel) = machine::parse_release(release) else {
        return json!([]);
    };
    let own = object
        .spec
        .programs
        .iter()
        .find(|spec| spec.name == program);
    let own = own.map(inspect::requirements_of).unwrap_or_default();
    let all = inspect::requirements(&object.spec);
    let of_others = all
        .into_iter()
        .filter(|need| !matches!(need.by, inspect::User::Program(_)));
    own.into_iter()
        .chain(of_others)
        .filter(|need| {
            let (major, minor) = need.kernel;
            (u32::from(major), u32::from(minor)) > (kernel.major, kernel.minor)
        })
        .map(|need| {
            let (major, minor) = need.kernel;
            json!({ "what": need.need.to_string(), "since": format!("{major}.{minor}") })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_document_of_a_guest_counts() {
        let output = "warning: something\n{\"reason\":\"compiler-message\"}\n\
                      {\"reason\":\"check-finished\",\"objects\":[{\"path\":\"0.o\"}]}\n";
        assert_eq!(document(output).unwrap()[0]["path"], "0.o");
        assert!(document("").unwrap_err().contains("nothing"));
        assert!(document("error: no BTF\n").unwrap_err().contains("no BTF"));
    }
}
