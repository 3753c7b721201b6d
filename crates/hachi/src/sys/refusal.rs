//! Why the kernel said `EPERM`: what can be found out by looking.
//!
//! The errno alone does not tell a missing capability from a user namespace in which capabilities
//! do not count, a limit, lockdown, a seccomp filter or a security module. Each can be looked at.

use std::{fs, io};

use super::capability::{self, Capability};
use crate::version::KernelVersion;

/// What this thread and this system are like, as far as it has to do with refusals. `None` where
/// that cannot be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Capabilities in effect, as a set of bits.
    capabilities: Option<u64>,
    /// The thread is in another user namespace than the first.
    in_user_namespace: Option<bool>,
    /// Bytes of memory that may be locked; `u64::MAX` for no limit.
    memlock: Option<u64>,
    kernel: Option<KernelVersion>,
    /// `none`, `integrity` or `confidentiality`.
    lockdown: Option<String>,
    /// 2 where a filter is in force.
    seccomp: Option<u32>,
    /// The active security modules, in order.
    modules: Vec<String>,
    /// What the security modules call this process: `docker-default (enforce)`.
    label: Option<String>,
    /// `kernel.unprivileged_bpf_disabled`.
    unprivileged_disabled: Option<u32>,
}

impl Facts {
    /// Looks now.
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let status = read("/proc/thread-self/status").unwrap_or_default();
        let field = |name: &str| {
            let mut lines = status.lines();
            Some(
                lines
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?
                    .trim(),
            )
        };
        let security = "/sys/kernel/security";
        Facts {
            capabilities: capability::effective().ok(),
            in_user_namespace: read("/proc/thread-self/uid_map").map(|map| !is_first(&map)),
            memlock: memlock().ok(),
            kernel: KernelVersion::current(),
            lockdown: read(&format!("{security}/lockdown")).and_then(|text| chosen(&text)),
            seccomp: field("Seccomp").and_then(|number| number.parse().ok()),
            modules: read(&format!("{security}/lsm"))
                .map(|text| text.trim().split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            label: read("/proc/thread-self/attr/current")
                .map(|text| text.trim_end_matches(['\0', '\n']).to_owned()),
            unprivileged_disabled: read("/proc/sys/kernel/unprivileged_bpf_disabled")
                .and_then(|text| text.trim().parse().ok()),
        }
    }

    fn has(&self, capability: Capability) -> bool {
        let set = self.capabilities.unwrap_or(0);
        set & (1 << capability as u32) != 0
    }

    /// Why `call` was refused, in words.
    pub(crate) fn explain(&self, call: &str) -> String {
        if self.capabilities.is_none() {
            return "why is unknown: the kernel does not say which capabilities this process has"
                .to_owned();
        }
        let (needed, depends) = needed(call);
        let is_of_network = call.contains("netlink") || call.contains("sockopt");
        // Those of a user namespace count for what belongs to it, such as its interfaces.
        if self.in_user_namespace == Some(true) && !is_of_network {
            return "this process is in a user namespace of its own (a container without root), \
                    whose capabilities do not count for this: pass a BPF token (Linux ≥ 6.9; \
                    `EbpfLoader::bpf_token`), or run it outside"
                .to_owned();
        }
        let missing: Vec<_> = needed
            .iter()
            .filter(|&&capability| !self.has(capability))
            .map(|missing| missing.name())
            .collect();
        if !self.has(Capability::SysAdmin) && !missing.is_empty() {
            return self.lacking(call, needed, depends, &missing);
        }
        if let Some(limit) = self.limit(call) {
            return format!(
                "the memory of maps and programs counts to RLIMIT_MEMLOCK before Linux 5.11, and \
                 that is {} KiB; raise it (`ulimit -l unlimited`, or \
                 `LimitMEMLOCK=infinity` in a unit of systemd)",
                limit / 1024
            );
        }
        if call == "BPF_MAP_FREEZE" || call.contains("ELEM") {
            return "refused although this process has the capabilities; the map is read-only from \
                    this side (frozen, or created so)"
                .to_owned();
        }
        let mut causes = Vec::new();
        if let Some(mode) = self.lockdown.as_deref().filter(|mode| *mode != "none") {
            causes.push(format!(
                "kernel lockdown is on ({mode}; /sys/kernel/security/lockdown), which forbids some \
                 program types and helpers"
            ));
        }
        if self.seccomp.is_some_and(|mode| mode != 0) {
            causes.push(
                "a seccomp filter is in force for this process (`Seccomp` in /proc/self/status), \
                 as container runtimes have them: it may forbid bpf(2) and perf_event_open(2)"
                    .to_owned(),
            );
        }
        let confined = self.label.as_deref().filter(|label| {
            !label.is_empty() && !label.contains("unconfined") && *label != "kernel"
        });
        let judges = ["selinux", "apparmor", "smack", "tomoyo", "bpf"];
        let judges: Vec<_> = (self.modules.iter())
            .map(String::as_str)
            .filter(|module| judges.contains(module))
            .collect();
        if let Some(label) = confined {
            causes.push(format!(
                "a security module confines this process as {label:?}; its audit log says more"
            ));
        } else if !judges.is_empty() {
            causes.push(format!(
                "a security module may forbid it ({} is active); its audit log says more",
                judges.join(", ")
            ));
        }
        match causes.as_slice() {
            [] => "refused although this process has the capabilities, and neither lockdown, nor \
                   a seccomp filter, nor a security module is in sight: this kernel may be built \
                   or patched to forbid it"
                .to_owned(),
            causes => format!(
                "refused although this process has the capabilities; {}",
                causes.join("; or ")
            ),
        }
    }

    /// The limit on locked memory, where it counts for this call.
    fn limit(&self, call: &str) -> Option<u64> {
        let counts = matches!(call, "BPF_MAP_CREATE" | "BPF_PROG_LOAD" | "BPF_BTF_LOAD");
        let is_old = self.kernel? < KernelVersion::new(5, 11, 0);
        self.memlock
            .filter(|&limit| counts && is_old && limit != u64::MAX)
    }

    fn lacking(
        &self,
        call: &str,
        needed: &[Capability],
        depends: &str,
        missing: &[&str],
    ) -> String {
        let names: Vec<_> = needed.iter().map(|needed| needed.name()).collect();
        let mut text = format!("needs {}{depends}", names.join(", "));
        if missing.len() < names.len() {
            text.push_str(&format!("; this process lacks {}", missing.join(", ")));
        }
        let them = match names.len() {
            1 => "it",
            _ => "all of them",
        };
        text.push_str(&format!("; root has {them}, so try sudo"));
        if let Some(value @ 1..) = self.unprivileged_disabled
            && !call.contains("netlink")
        {
            text.push_str(&format!(
                " (kernel.unprivileged_bpf_disabled is {value}: bpf(2) is closed to other users)"
            ));
        }
        text
    }
}

/// What a call may need (Linux ≥ 5.8; CAP_SYS_ADMIN stands for all of it), and on what that
/// depends.
fn needed(call: &str) -> (&'static [Capability], &'static str) {
    if call.contains("netlink") || call.contains("sockopt") {
        (&[Capability::NetAdmin], "")
    } else if call == "perf_event_open" {
        (&[Capability::Perfmon], "")
    } else if call.contains("_ID") || matches!(call, "BPF_TASK_FD_QUERY" | "BPF_ENABLE_STATS") {
        (&[Capability::SysAdmin], "")
    } else if call.contains("LINK") || call.contains("ATTACH") {
        (&[Capability::Bpf, Capability::NetAdmin], "")
    } else if call == "BPF_PROG_LOAD" {
        (
            &[Capability::Bpf, Capability::NetAdmin, Capability::Perfmon],
            " (of the latter two, the first for network programs, the second for tracing)",
        )
    } else {
        (&[Capability::Bpf], "")
    }
}

/// Whether a map of user ids is that of the first user namespace: all are themselves.
fn is_first(map: &str) -> bool {
    let mut words = map.split_ascii_whitespace();
    let all = [words.next(), words.next(), words.next(), words.next()];
    all == [Some("0"), Some("0"), Some("4294967295"), None]
}

/// The word in brackets: `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

fn memlock() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live struct of the expected type.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(match limit.rlim_cur {
        libc::RLIM_INFINITY => u64::MAX,
        bytes => bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that may do everything, on a kernel that forbids nothing.
    fn free() -> Facts {
        Facts {
            capabilities: Some(u64::MAX),
            in_user_namespace: Some(false),
            memlock: Some(64 * 1024),
            kernel: Some(KernelVersion::new(6, 12, 0)),
            lockdown: Some("none".to_owned()),
            seccomp: Some(0),
            modules: vec!["capability".to_owned(), "landlock".to_owned()],
            label: Some("unconfined".to_owned()),
            unprivileged_disabled: Some(2),
        }
    }

    #[test]
    fn causes_of_a_refusal_are_distinguished() {
        let none = free().explain("BPF_PROG_LOAD");
        assert!(none.contains("nor a security module is in sight"), "{none}");
        let with = |change: fn(&mut Facts), call: &str| {
            let mut facts = free();
            change(&mut facts);
            facts.explain(call)
        };
        let load = "BPF_PROG_LOAD";
        for (change, call, text, not) in [
            (
                (|facts| facts.capabilities = Some(1 << Capability::NetAdmin as u32))
                    as fn(&mut Facts),
                load,
                "this process lacks CAP_BPF, CAP_PERFMON",
                "seccomp",
            ),
            (
                |facts| facts.in_user_namespace = Some(true),
                load,
                "BPF token",
                "sudo",
            ),
            (
                |facts| facts.kernel = Some(KernelVersion::new(5, 10, 200)),
                "BPF_MAP_CREATE",
                "RLIMIT_MEMLOCK before Linux 5.11, and that is 64 KiB",
                "seccomp",
            ),
            (
                |facts| facts.lockdown = Some("integrity".to_owned()),
                load,
                "kernel lockdown is on (integrity",
                "seccomp",
            ),
            (
                |facts| facts.seccomp = Some(2),
                load,
                "a seccomp filter is in force",
                "lockdown",
            ),
            (
                |facts| facts.label = Some("docker-default (enforce)".to_owned()),
                load,
                "confines this process as \"docker-default (enforce)\"",
                "lockdown",
            ),
            (
                |facts| facts.modules.push("selinux".to_owned()),
                load,
                "a security module may forbid it (selinux is active)",
                "lockdown",
            ),
            (
                |_| {},
                "BPF_MAP_UPDATE_ELEM",
                "the map is read-only",
                "lockdown",
            ),
        ] {
            let found = with(change, call);
            assert!(found.contains(text), "{found}");
            assert!(!found.contains(not), "{found}");
        }
        // Capabilities of a user namespace count for its interfaces.
        let netlink = with(
            |facts| facts.in_user_namespace = Some(true),
            "netlink RTM_SETLINK",
        );
        assert!(!netlink.contains("token"), "{netlink}");
        // Without a limit, it is not the limit.
        let unlimited = with(
            |facts| {
                facts.kernel = Some(KernelVersion::new(5, 10, 0));
                facts.memlock = Some(u64::MAX);
            },
            "BPF_MAP_CREATE",
        );
        assert!(!unlimited.contains("MEMLOCK"), "{unlimited}");
    }

    #[test]
    fn reads_the_rights_of_this_process() {
        let here = Facts::here();
        assert!(here.capabilities.is_some() && here.seccomp.is_some());
        assert!(here.memlock.is_some() && here.kernel.is_some());
        assert!(here.in_user_namespace.is_some());
        assert!(is_first("         0          0 4294967295\n"));
        assert!(!is_first("         0       1000          1\n"));
        assert_eq!(
            chosen("none [integrity] confidentiality\n").as_deref(),
            Some("integrity")
        );
    }
}
