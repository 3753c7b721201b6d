//! Whether the kernel can compile programs to machine code.

use std::path::Path;

/// Whether the kernel has the JIT compiler (CONFIG_BPF_JIT), switched on or not. Where that cannot
/// be seen, it is taken to have it, as nearly all have.
pub(crate) fn is_built_in() -> bool {
    shows_one(Path::new("/proc/sys/net/core"))
}

/// The setting is there exactly when the compiler is, but only in the first network namespace, as
/// is the other one asked for here.
fn shows_one(settings: &Path) -> bool {
    let has = |name: &str| settings.join(name).exists();
    has("bpf_jit_enable") || !has("netdev_max_backlog")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_shows_the_compiler() {
        let directory = std::env::temp_dir().join(format!("hachi-jit-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let set = |name: &str| std::fs::write(directory.join(name), "0").unwrap();
        let of_a_namespace = shows_one(&directory);
        set("netdev_max_backlog");
        let without = shows_one(&directory);
        set("bpf_jit_enable");
        let with = shows_one(&directory);
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!([of_a_namespace, without, with], [true, false, true]);
    }
}
