//! What there is and what is missing, for `hachi doctor`.

use std::path::PathBuf;

use super::{
    Finding, Search, State, Way, ask::Step, compiler::Compiler, prebuilt, source, source::Source,
};
use crate::{Error, Remedy, cache::Cache, cache::setting, obstacle::sentence};

/// Looks at every way without changing anything.
pub(super) fn survey(search: &Search) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cache = match Cache::locate(search.cache.as_deref()) {
        Ok(cache) => cache,
        Err(error) => {
            return vec![Finding {
                way: None,
                subject: "cache directory".into(),
                state: State::Missing,
                detail: error.to_string(),
                fix: Some("export HACHI_CACHE=/path/to/a/writable/directory".into()),
            }];
        }
    };
    findings.push(Finding {
        way: None,
        subject: "cache".into(),
        state: State::Ready,
        detail: cache.root().display().to_string(),
        fix: None,
    });
    let active = match Compiler::active(search) {
        Ok(active) => {
            findings.push(Finding {
                way: None,
                subject: format!("rustc {}", active.version.release),
                state: State::Ready,
                detail: format!("{} (LLVM {})", active.rustc.display(), active.version.llvm),
                fix: None,
            });
            findings.push(llvm(&active));
            Some(active)
        }
        Err(error) => {
            let (detail, fix) = match error {
                Error::NoCompiler { tried, help } => (sentence(&tried), Some(help.to_string())),
                other => (other.to_string(), None),
            };
            findings.push(Finding {
                way: None,
                subject: "rustc".into(),
                state: State::Missing,
                detail,
                fix,
            });
            None
        }
    };
    findings.push(prebuilt_finding(active.as_ref(), search, &cache));
    findings.push(source_finding(active.as_ref(), search, &cache));
    findings.push(Finding {
        way: Some(Way::HostRetarget),
        subject: "host code turned into eBPF".into(),
        state: if active.is_some() {
            State::Ready
        } else {
            State::Missing
        },
        detail: "fallback: works for most programs, needs nothing but rustc".into(),
        fix: None,
    });
    findings
}

fn llvm(active: &Compiler) -> Finding {
    let subject = "LLVM library of the compiler".to_string();
    let found = match setting("HACHI_LLVM").map(PathBuf::from) {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => Err(format!("HACHI_LLVM={} is not a file", path.display())),
        None => hachi_linker::find_libllvm(&active.rustc).map_err(|error| error.to_string()),
    };
    let (state, detail, fix) = match found {
        Ok(path) => (
            State::Ready,
            path.canonicalize().unwrap_or(path).display().to_string(),
            None,
        ),
        Err(reason) => {
            let fix = "export HACHI_LLVM=/path/to/libLLVM.so (of the compiler's version or newer)";
            (State::Missing, reason, Some(fix.into()))
        }
    };
    Finding {
        way: None,
        subject,
        state,
        detail,
        fix,
    }
}

fn prebuilt_finding(active: Option<&Compiler>, search: &Search, cache: &Cache) -> Finding {
    let way = Some(Way::Prebuilt);
    let mut reasons = Vec::new();
    for compiler in active
        .cloned()
        .into_iter()
        .chain(Compiler::others_with_core(active, search))
    {
        match prebuilt::usable(&compiler, search.wanted_target(), cache) {
            Ok(()) => {
                return Finding {
                    way,
                    subject: format!("prebuilt `core` of rustc {}", compiler.version.release),
                    state: State::Ready,
                    detail: compiler.rustc.display().to_string(),
                    fix: None,
                };
            }
            Err(reason) => reasons.push(reason.to_string()),
        }
    }
    let remedy = Step::by_apt(active, Some(Way::Prebuilt)).into_iter().next();
    Finding {
        way,
        subject: "prebuilt `core` for eBPF".into(),
        state: if remedy.is_some() {
            State::Possible
        } else {
            State::Missing
        },
        detail: if reasons.is_empty() {
            "no compiler has one".into()
        } else {
            reasons.join("; ")
        },
        fix: remedy.and_then(|remedy| remedy.command()),
    }
}

fn source_finding(active: Option<&Compiler>, search: &Search, cache: &Cache) -> Finding {
    let finding = |subject: String, state, detail: String, fix| Finding {
        way: Some(Way::Source),
        subject,
        state,
        detail,
        fix,
    };
    let Some(active) = active else {
        return finding(
            "`core` built from source".into(),
            State::Missing,
            "there is no compiler".into(),
            None,
        );
    };
    let release = &active.version.release;
    match source::cached(active, search, cache) {
        Ok(Some(sysroot)) => {
            return finding(
                format!("`core` built for rustc {release}"),
                State::Ready,
                sysroot.display().to_string(),
                None,
            );
        }
        Ok(None) => {}
        Err(error) => {
            return finding(
                format!("library source of Rust {release}"),
                State::Missing,
                error.to_string(),
                Some("unset HACHI_RUST_SRC".into()),
            );
        }
    }
    match Source::find(active, search, cache) {
        Ok(Some(source)) => finding(
            format!("library source of Rust {release}"),
            State::Ready,
            format!(
                "{}; `core` is built from it by the first build, in about 10 s",
                source.dir.display()
            ),
            None,
        ),
        Ok(None) => finding(
            format!("library source of Rust {release}"),
            State::Possible,
            "not on this machine".into(),
            Some(fix(Some(active), Some(Way::Source)).to_string()),
        ),
        Err(error) => finding(
            format!("library source of Rust {release}"),
            State::Missing,
            error.to_string(),
            Some("unset HACHI_RUST_SRC".into()),
        ),
    }
}

/// What opens the way (or, without one, the best way).
pub(super) fn fix(active: Option<&Compiler>, force: Option<Way>) -> Remedy {
    if let Some(command) = Step::by_rustup(active, force).and_then(|step| step.command()) {
        return Remedy::Run(command);
    }
    let steps = Step::by_apt(active, force);
    if let Some(command) = steps.iter().find_map(Step::command) {
        return Remedy::Run(command);
    }
    if force == Some(Way::Prebuilt) {
        return Remedy::PackagedCore;
    }
    let release = active.map(|active| active.version.release.clone());
    match distribution_package() {
        Some(command) => Remedy::RunIfRelease {
            command: command.to_owned(),
            release,
        },
        None => Remedy::Source { release },
    }
}

/// The library source in distributions other than Debian's family.
fn distribution_package() -> Option<&'static str> {
    [
        ("dnf", "sudo dnf install rust-src"),
        ("pacman", "sudo pacman -S rust-src"),
        ("apk", "sudo apk add rust-src"),
        ("zypper", "sudo zypper install rust-src"),
    ]
    .into_iter()
    .find(|(program, _)| crate::process::in_path(program).is_some())
    .map(|(_, command)| command)
}
