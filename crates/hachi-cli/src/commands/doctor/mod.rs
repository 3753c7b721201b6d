//! `hachi doctor`: what this machine has and lacks, and the command that fixes it.

mod probe;

use std::path::Path;

use hachi::maps::loaded_maps;
use hachi_build::{Arch, Cross, Finding, Search, State, Toolchain, Way};
use hachi_guest::Guest;
use serde_json::{Value, json};

use crate::commands::link::seen;
use crate::failure::{Failure, Kind, Result};
use crate::machine::{self, Kernel};
use crate::output::{BAD, Format, GOOD, Output, Styled, WARN, bold, dim, say};
use crate::pins;

/// Say what this machine has and lacks for building and for running eBPF, and how to fix it
///
/// Changes nothing unless asked to. Ends with exit code 3 when something that is needed is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi doctor
  hachi doctor --fix        # install and build what building lacks
  hachi doctor --build      # only what building needs, for machines that load nothing")]
pub struct Args {
    /// Only judge what building needs
    #[arg(long, conflicts_with = "run")]
    build: bool,
    /// Only judge what loading and attaching need
    #[arg(long)]
    run: bool,
    /// First install and build what the toolchain lacks (also with HACHI_YES=1)
    #[arg(long, conflicts_with = "run")]
    fix: bool,
    #[command(flatten)]
    format: Format,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// As it should be.
    Good,
    /// Not there, or not known. Most programs do without it.
    Optional,
    /// Needed, and not there.
    Missing,
}

impl Health {
    fn name(self) -> &'static str {
        match self {
            Health::Good => "ok",
            Health::Optional => "optional",
            Health::Missing => "missing",
        }
    }
}

struct Check {
    area: &'static str,
    subject: String,
    health: Health,
    detail: String,
    fix: Option<String>,
}

impl Check {
    fn new(
        area: &'static str,
        subject: impl Into<String>,
        health: Health,
        detail: impl Into<String>,
    ) -> Check {
        Check {
            area,
            subject: subject.into(),
            health,
            detail: detail.into(),
            fix: None,
        }
    }

    /// Says what to do. Only where something is wrong: what a machine can do without is no fault.
    fn fix(mut self, fix: impl Into<String>) -> Check {
        self.fix = Some(fix.into());
        self
    }

    fn json(&self) -> Value {
        json!({
            "area": self.area,
            "subject": self.subject,
            "state": self.health.name(),
            "detail": self.detail,
            "fix": self.fix,
        })
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let wants_fix = args.fix || std::env::var_os("HACHI_YES").is_some_and(|value| value == "1");
    if wants_fix && !args.run {
        prepare(out)?;
    }
    // What is missing is in the exit code, too.
    out.go_on_unread();
    let mut checks = Vec::new();
    if !args.run {
        checks.extend(build_checks());
    }
    if !args.build {
        checks.extend(kernel_checks());
        checks.extend(left_checks());
        checks.extend(tool_checks());
    }
    if !args.build && !args.run {
        checks.extend(guest_checks());
    }
    let missing = checks
        .iter()
        .filter(|check| check.health == Health::Missing)
        .count();
    let document = || {
        json!({
            "healthy": missing == 0,
            "checks": checks.iter().map(Check::json).collect::<Vec<_>>(),
        })
    };
    args.format
        .print(out, document, |out| show(&checks, missing, out))?;
    match missing {
        0 => Ok(()),
        _ => Err(Failure::silent(Kind::Missing)),
    }
}

/// Looks from the root directory. Here, a file could name any program to be run as the compiler,
/// and asking for a diagnosis is no consent to that.
fn search() -> Search {
    Search::default().package_dir("/")
}

/// Gets a toolchain ready. What is still missing afterwards is in the report, so only the reason is
/// told here.
fn prepare(out: &mut Output) -> Result {
    let search = search().assume_yes(true).verbose(true);
    match Toolchain::find(&search) {
        Ok(_) => Ok(()),
        Err(error) => out.warn_report(error),
    }
}

fn show(checks: &[Check], missing: usize, out: &mut Output) -> Result {
    let mut area = "";
    for check in checks {
        if check.area != area {
            if !area.is_empty() {
                say!(out)?;
            }
            area = check.area;
            say!(out, bold(area))?;
        }
        let (mark, style) = match check.health {
            Health::Good => ("ok", GOOD),
            Health::Optional => ("--", WARN),
            Health::Missing => ("NO", BAD),
        };
        let (subject, detail) = (&check.subject, &check.detail);
        say!(out, "  ", Styled(style, mark), "  ", subject, ": ", detail)?;
        if let Some(fix) = &check.fix {
            say!(out, "      ", dim("fix:"), " ", fix)?;
        }
    }
    say!(out)?;
    match missing {
        0 => say!(out, "Nothing that is needed is missing."),
        1 => say!(out, "1 thing that is needed is missing."),
        _ => say!(out, missing, " things that are needed are missing."),
    }
}

const BUILDING: &str = "Building";

/// What every build needs, and the ways to a `core` library, of which one is enough.
fn build_checks() -> Vec<Check> {
    let findings = Toolchain::survey(&search());
    let is_open = |finding: &Finding, state| finding.way.is_some() && finding.state == state;
    let is_ready = findings.iter().any(|finding| {
        // The fallback works for most programs only, so a better way is worth a word.
        is_open(finding, State::Ready) && finding.way != Some(Way::HostRetarget)
    });
    let has_way = findings
        .iter()
        .any(|finding| is_open(finding, State::Ready) || is_open(finding, State::Possible));
    let mut checks: Vec<Check> = findings
        .into_iter()
        .map(|finding| {
            let health = match (finding.state, finding.way) {
                (State::Ready, _) => Health::Good,
                (_, Some(_)) => Health::Optional,
                (_, None) => Health::Missing,
            };
            let is_wanted = health == Health::Missing || !is_ready;
            Check {
                fix: finding.fix.filter(|_| is_wanted),
                ..Check::new(BUILDING, finding.subject, health, finding.detail)
            }
        })
        .collect();
    if !has_way {
        let check = Check::new(
            BUILDING,
            "`core` for eBPF",
            Health::Missing,
            "none of the ways above is open, and one is needed",
        );
        let fix = checks.iter().find_map(|check| check.fix.clone());
        checks.push(Check { fix, ..check });
    }
    checks.extend(toolchain_file_check());
    checks
}

/// The file here that names another toolchain, which was not asked.
fn toolchain_file_check() -> Option<Check> {
    let here = std::env::current_dir().ok()?;
    let names = ["rust-toolchain.toml", "rust-toolchain"];
    let files = here
        .ancestors()
        .flat_map(|dir| names.map(|name| dir.join(name)));
    let file = files.into_iter().find(|file| file.is_file())?;
    Some(Check::new(
        BUILDING,
        "toolchain of this directory",
        Health::Good,
        format!(
            "named by {}, and not asked here; `hachi build --verbose` says which it is",
            file.display()
        ),
    ))
}

const RUNNING: &str = "Running";

fn kernel_checks() -> Vec<Check> {
    let release = machine::kernel_release();
    let kernel = machine::parse_release(&release).unwrap_or(Kernel { major: 0, minor: 0 });
    vec![
        kernel_check(&release, kernel),
        privilege_check(),
        bpf_check(),
        probes_check(
            "kprobes",
            "kprobe",
            "kprobe, kretprobe, kprobe.multi and ksyscall programs",
        ),
        probes_check(
            "uprobes",
            "uprobe",
            "uprobe, uretprobe, uprobe.multi and usdt programs",
        ),
        trampolines_check(),
        lsm_check(),
        features_check(kernel),
        bpffs_check(),
        btf_check(kernel),
        jit_check(),
        unprivileged_check(),
        memlock_check(kernel),
    ]
}

/// What killed processes have left attached and pinned.
fn left_checks() -> Vec<Check> {
    let left =
        |subject, detail, fix| Check::new(RUNNING, subject, Health::Optional, detail).fix(fix);
    let mut checks = Vec::new();
    let mut unseen = |subject, failure: Failure| {
        // Without the rights to look there is nothing to tell.
        if failure.kind != Kind::Missing {
            checks.push(Check::new(
                RUNNING,
                subject,
                Health::Optional,
                failure.message,
            ));
        }
    };
    let attached = seen::left_behind(|_| true).unwrap_or_else(|failure| {
        unseen("left attached", failure);
        Vec::new()
    });
    let unfinished = pins::unfinished_dirs().unwrap_or_else(|failure| {
        unseen("left unfinished", failure);
        Vec::new()
    });
    let attached = attached.into_iter().map(|attachment| {
        let (program, shown) = (&attachment.program, &attachment.shown);
        left(
            "left attached",
            format!(
                "program {program} on {shown}: no process has it open, and no pin stands for it"
            ),
            format!(
                "hachi link detach {}",
                attachment.name().unwrap_or_default()
            ),
        )
    });
    let pinned = unfinished.into_iter().map(|dir| {
        left(
            "left unfinished",
            format!(
                "pins for {}, by a `hachi run` that was killed",
                dir.display()
            ),
            pins::undo_command(&dir),
        )
    });
    checks.extend(attached.chain(pinned));
    checks
}

fn kernel_check(release: &str, kernel: Kernel) -> Check {
    let oldest = Kernel { major: 5, minor: 8 };
    match kernel >= oldest {
        true => Check::new(RUNNING, "kernel", Health::Good, format!("Linux {release}")),
        false => Check::new(
            RUNNING,
            "kernel",
            Health::Optional,
            format!("Linux {release}; ring buffers, and so logs, need Linux ≥ {oldest}"),
        ),
    }
}

/// The capabilities to load and attach that this process lacks.
fn lacking_capabilities() -> Vec<&'static str> {
    let capabilities = machine::capabilities();
    let has = |name: &str| {
        capabilities
            .iter()
            .any(|(known, held)| *known == name && *held)
    };
    ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]
        .into_iter()
        .filter(|name| !has(name) && !has("CAP_SYS_ADMIN"))
        .collect()
}

/// Whether this process may ask the kernel about programs.
fn may_ask() -> bool {
    hachi::BpfToken::find().is_some() || lacking_capabilities().is_empty()
}

fn privilege_check() -> Check {
    let subject = "privileges";
    // In a user namespace capabilities do not count, what was delegated to it does.
    if let Some(token) = hachi::BpfToken::find() {
        return Check::new(RUNNING, subject, Health::Good, token.to_string());
    }
    let lacking = lacking_capabilities();
    if !lacking.is_empty() {
        let detail = format!("this process lacks {}", lacking.join(", "));
        return Check::new(RUNNING, subject, Health::Missing, detail)
            .fix("run as root: sudo -E hachi …");
    }
    let detail = match machine::is_root() {
        true => "root",
        false => "the capabilities to load and attach",
    };
    Check::new(RUNNING, subject, Health::Good, detail)
}

/// The system call itself: containers and lockdown can forbid it to root.
fn bpf_check() -> Check {
    let subject = "bpf(2)";
    if !may_ask() {
        let detail = "not asked, which takes the privileges above";
        return Check::new(RUNNING, subject, Health::Optional, detail);
    }
    let Some(Err(error)) = loaded_maps().next() else {
        return Check::new(RUNNING, subject, Health::Good, "answers");
    };
    if hachi::BpfToken::find().is_some() {
        let answer = "answers to a token, which does not let it list what is loaded";
        return Check::new(RUNNING, subject, Health::Good, answer);
    }
    Check::new(RUNNING, subject, Health::Missing, error.to_string()).fix(
        "if this is a container, start it with --privileged (or CAP_BPF, CAP_NET_ADMIN and a \
         seccomp profile that allows bpf)",
    )
}

/// Whether the kernel has probes of a kind, by its list of event sources, which anyone may read.
fn probes_check(subject: &str, source: &str, programs: &str) -> Check {
    match machine::has_event_source(source) {
        Some(true) => Check::new(RUNNING, subject, Health::Good, "built in"),
        Some(false) => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            format!("not built into this kernel: {programs} cannot be attached"),
        ),
        None => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            "unknown: /sys/bus/event_source is not there",
        ),
    }
}

/// Whether programs can be called from kernel functions, found by loading one. Nothing is attached.
fn trampolines_check() -> Check {
    let subject = "fentry";
    if !may_ask() {
        let detail = "not asked, which takes the privileges above";
        return Check::new(RUNNING, subject, Health::Optional, detail);
    }
    match probe::load_fentry() {
        Ok(()) => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "loads, and so do fexit and LSM",
        ),
        Err(error) => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            format!("this kernel does not load fentry programs, nor fexit and LSM: {error}"),
        ),
    }
}

/// Whether LSM programs are ever called: they load without it, too.
fn lsm_check() -> Check {
    const LIST: &str = "/sys/kernel/security/lsm";
    let subject = "LSM";
    match std::fs::read_to_string(LIST) {
        Ok(modules) if modules.trim().split(',').any(|module| module == "bpf") => {
            Check::new(RUNNING, subject, Health::Good, "`bpf` is among its modules")
        }
        Ok(modules) => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            format!(
                "LSM programs are never called: `bpf` is not among the modules, {}",
                modules.trim()
            ),
        ),
        Err(error) => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            format!("unknown: {LIST}: {error}"),
        ),
    }
}

/// What programs of this version of Hachi may use, and this kernel lacks.
fn features_check(kernel: Kernel) -> Check {
    let has_kprobes = machine::has_event_source("kprobe") != Some(false);
    let lacking = hachi::features::ALL
        .iter()
        .filter(|feature| !feature.is_supported())
        // Has a line of its own.
        .filter(|feature| has_kprobes || !feature.name().starts_with("kprobe"));
    let (mut too_new, mut left_out) = (Vec::new(), Vec::new());
    for feature in lacking {
        let since = machine::parse_release(&feature.since().to_string());
        match since.is_some_and(|since| since <= kernel) {
            true => left_out.push(feature.name().to_string()),
            false => too_new.push(format!("{} (Linux ≥ {})", feature.name(), feature.since())),
        }
    }
    let mut parts = Vec::new();
    if !too_new.is_empty() {
        parts.push(format!("this kernel is too old for {}", too_new.join(", ")));
    }
    if !left_out.is_empty() {
        parts.push(format!("it was built without {}", left_out.join(", ")));
    }
    let health = match parts.is_empty() {
        true => Health::Good,
        false => Health::Optional,
    };
    if parts.is_empty() {
        parts.push("all that Hachi asks about".into());
    }
    if !may_ask() {
        parts
            .push("judged by the kernel's version, since asking takes the privileges above".into());
    }
    Check::new(RUNNING, "features", health, parts.join("; "))
}

fn bpffs_check() -> Check {
    let path = Path::new("/sys/fs/bpf");
    match hachi::pin::is_on_bpffs(path) {
        Ok(true) => Check::new(RUNNING, "bpffs", Health::Good, "mounted at /sys/fs/bpf"),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Check::new(
            RUNNING,
            "bpffs",
            Health::Optional,
            format!("{}: {error}", path.display()),
        ),
        _ => Check::new(
            RUNNING,
            "bpffs",
            Health::Optional,
            "not mounted at /sys/fs/bpf; pinning needs it",
        )
        .fix("mount -t bpf bpf /sys/fs/bpf"),
    }
}

fn btf_check(kernel: Kernel) -> Check {
    let path = "/sys/kernel/btf/vmlinux";
    match std::fs::metadata(path) {
        Ok(file) => Check::new(
            RUNNING,
            "kernel BTF",
            Health::Good,
            format!("{path}, {:.1} MB", file.len() as f64 / 1e6),
        ),
        Err(_) => Check::new(
            RUNNING,
            "kernel BTF",
            Health::Optional,
            format!(
                "no {path}: CO-RE and BTF tracing need a kernel built with \
                 CONFIG_DEBUG_INFO_BTF=y (Linux ≥ 5.4, here {kernel})"
            ),
        ),
    }
}

fn jit_check() -> Check {
    let path = "/proc/sys/net/core/bpf_jit_enable";
    match machine::sysctl(path) {
        Some(0) => Check::new(
            RUNNING,
            "JIT",
            Health::Optional,
            "off: programs are interpreted, slowly",
        )
        .fix("sysctl -w net.core.bpf_jit_enable=1"),
        Some(_) => Check::new(RUNNING, "JIT", Health::Good, "on"),
        None => Check::new(
            RUNNING,
            "JIT",
            Health::Optional,
            match Path::new(path).exists() {
                true => format!("unknown: only root may read {path}"),
                // Both are settings of the first network namespace alone.
                false if !Path::new("/proc/sys/net/core/netdev_max_backlog").exists() => {
                    format!("unknown: no {path}")
                }
                false => {
                    "none (no CONFIG_BPF_JIT): programs are interpreted; no fentry, fexit, LSM, \
                     kfuncs or arenas"
                        .to_owned()
                }
            },
        ),
    }
}

fn unprivileged_check() -> Check {
    let subject = "unprivileged programs";
    match machine::sysctl("/proc/sys/kernel/unprivileged_bpf_disabled") {
        Some(0) => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            "allowed; few machines need that, and it widens the ways to attack the kernel \
             (kernel.unprivileged_bpf_disabled=2 forbids it)",
        ),
        Some(_) => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "not allowed, as on most machines",
        ),
        None => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "unknown: the kernel has no such setting",
        ),
    }
}

/// Before 5.11 maps counted against the limit on locked memory.
fn memlock_check(kernel: Kernel) -> Check {
    let subject = "memory limit";
    if kernel
        >= (Kernel {
            major: 5,
            minor: 11,
        })
    {
        return Check::new(
            RUNNING,
            subject,
            Health::Good,
            "maps are charged to the cgroup",
        );
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let unlimited = limits
        .lines()
        .find(|line| line.starts_with("Max locked memory"))
        .is_some_and(|line| line.split_whitespace().nth(3) == Some("unlimited"));
    match unlimited {
        true => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "RLIMIT_MEMLOCK is unlimited",
        ),
        false => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            "RLIMIT_MEMLOCK bounds maps on this kernel; the loader raises it when it may",
        ),
    }
}

/// Tools that are handy beside Hachi; none is needed.
/// What `hachi test --kernel` and `hachi check --kernel` need, for each kind of machine: QEMU, and
/// for those that are not this one's what their programs are built with.
fn guest_checks() -> Vec<Check> {
    const AREA: &str = "Kernels of other versions and machines (none is needed)";
    Arch::ALL
        .into_iter()
        .map(|arch| {
            let mut lacks = Vec::new();
            let mut fixes = Vec::new();
            if let Err(error) = Guest::require(arch) {
                lacks.push(error.to_string());
                fixes.extend(error.fix());
            }
            if Arch::here() != Some(arch) {
                let findings = Cross::survey(arch, &search());
                for finding in findings {
                    if finding.state != State::Ready {
                        lacks.push(format!("{}: {}", finding.subject, finding.detail));
                        fixes.extend(finding.fix);
                    }
                }
            }
            let subject = format!("guests of {arch}");
            match lacks.is_empty() {
                true => Check::new(
                    AREA,
                    subject,
                    Health::Good,
                    "QEMU, and what builds programs",
                ),
                false => {
                    let detail = format!("{} ({})", lacks.join("; "), fixes.join("; "));
                    Check::new(AREA, subject, Health::Optional, detail.replace(" ()", ""))
                }
            }
        })
        .collect()
}

fn tool_checks() -> Vec<Check> {
    const AREA: &str = "Tools (none is needed)";
    [
        (
            "ip",
            "iproute2",
            "interfaces and namespaces, to try programs out",
        ),
        ("bpftool", "bpftool", "another view of programs and maps"),
    ]
    .into_iter()
    .map(|(tool, package, purpose)| match machine::find_tool(tool) {
        Some(path) => Check::new(AREA, tool, Health::Good, path.display().to_string()),
        None => Check::new(
            AREA,
            tool,
            Health::Optional,
            format!("not found; {purpose} (package {package})"),
        ),
    })
    .collect()
}
