//! Features, asked of this kernel and of numbers that are made up.

use super::*;
use crate::Capability;

#[test]
fn sorted_by_kernel_and_named_once() {
    assert!(ALL.is_sorted_by_key(|feature| feature.since));
    let mut names: Vec<_> = ALL.iter().map(|feature| feature.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn unsupported_names_feature_and_both_versions() {
    static FUTURE: Feature = Feature::new("time travel", (99, 1), |_| Answer::No);
    let text = FUTURE.require().unwrap_err().to_string();
    let running = KernelVersion::current().unwrap();
    assert_eq!(
        text,
        format!("time travel needs Linux ≥ 99.1 (running {running})")
    );
}

#[test]
fn inconclusive_answers_are_not_kept() {
    static LATER: Feature = Feature::new("x", (99, 0), |_| Answer::Unknown);
    assert!(!LATER.is_supported());
    assert_eq!(LATER.cache.load(Ordering::Relaxed), 0);
}

/// The declared versions are facts: what this kernel should have, it has, and the other way
/// round.
#[test]
fn probes_agree_with_versions() {
    if Capability::Bpf.is_effective() != Some(true) {
        eprintln!("skipped: needs CAP_BPF");
        return;
    }
    let running = KernelVersion::current().unwrap();
    let lacks_fprobe = hachi_test::kernel_lacks_fprobe();
    for feature in ALL {
        // Nor need a kernel be built with CONFIG_NETKIT.
        if feature.name == NETKIT.name {
            assert!(!feature.is_supported() || running >= feature.since);
            continue;
        }
        // Long-term kernels got this one later (6.12.117 has it).
        if feature.name == CGROUP_ORDER.name {
            assert!(feature.is_supported() || running < feature.since);
            continue;
        }
        // All for kprobe.multi.
        if lacks_fprobe && feature.name.starts_with("kprobe") {
            assert!(!feature.is_supported(), "{}", feature.name);
            continue;
        }
        assert_eq!(
            feature.is_supported(),
            running >= feature.since,
            "{} ({})",
            feature.name,
            feature.since
        );
    }
}
