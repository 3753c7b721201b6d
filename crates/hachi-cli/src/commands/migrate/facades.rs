//! Which of Hachi's crates stands in for which of Aya's.

/// A crate of Hachi's with the public API of one of Aya's.
#[derive(Debug)]
pub struct Facade {
    /// Aya's names for the crate, the current one first.
    pub names: &'static [&'static str],
    /// Hachi's.
    pub package: &'static str,
    /// The features that both have, and those of the façade's own.
    pub features: &'static [&'static str],
}

const FACADES: &[Facade] = &[
    Facade {
        names: &["aya"],
        package: "hachi-aya",
        features: &["async_tokio", "async_std", "v0_13"],
    },
    Facade {
        names: &["aya-ebpf", "aya-bpf"],
        package: "hachi-aya-ebpf",
        features: &["panic-handler"],
    },
    Facade {
        names: &["aya-log"],
        package: "hachi-aya-log",
        features: &[],
    },
    Facade {
        names: &["aya-log-ebpf"],
        package: "hachi-aya-log-ebpf",
        features: &[],
    },
    Facade {
        names: &["aya-build"],
        package: "hachi-aya-build",
        features: &["v0_1"],
    },
    Facade {
        names: &["aya-obj"],
        package: "hachi-aya-obj",
        features: &[],
    },
    Facade {
        names: &["aya-log-common"],
        package: "hachi-aya-log-common",
        features: &[],
    },
    Facade {
        names: &["aya-ebpf-bindings", "aya-bpf-bindings"],
        package: "hachi-aya-ebpf-bindings",
        features: &[],
    },
    Facade {
        names: &["aya-ebpf-cty", "aya-bpf-cty"],
        package: "hachi-aya-ebpf-cty",
        features: &[],
    },
    Facade {
        names: &["aya-tool"],
        package: "hachi-aya-tool",
        features: &[],
    },
];

/// Crates of Aya's that none of Hachi's stands in for, and what to do instead.
const WITHOUT: &[(&str, &str)] = &[
    ("aya-ebpf-macros", "use `aya_ebpf::macros`"),
    ("aya-bpf-macros", "use `aya_bpf::macros`"),
];

/// What to do about a dependency on this package.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    /// It is not Aya's.
    Foreign,
    /// It is a façade already.
    Done,
    /// The façade stands in for it.
    Replace(&'static Facade),
    /// Nothing stands in for it; do this.
    Without(&'static str),
}

/// What to do about a dependency on `package`.
pub fn verdict(package: &str) -> Verdict {
    // Cargo takes both spellings of a name.
    let package = package.replace('_', "-");
    for facade in FACADES {
        if facade.names.contains(&package.as_str()) {
            return Verdict::Replace(facade);
        }
        if facade.package == package {
            return Verdict::Done;
        }
    }
    match WITHOUT.iter().find(|(name, _)| *name == package) {
        Some((_, instead)) => Verdict::Without(instead),
        None => Verdict::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_names_and_both_spellings_are_known() {
        for name in ["aya-ebpf", "aya-bpf", "aya_ebpf"] {
            assert!(
                matches!(verdict(name), Verdict::Replace(it) if it.package == "hachi-aya-ebpf"),
                "{name}"
            );
        }
        assert!(matches!(verdict("hachi-aya"), Verdict::Done));
        assert!(matches!(verdict("aya-ebpf-macros"), Verdict::Without(_)));
        assert!(matches!(verdict("network-types"), Verdict::Foreign));
    }

    /// The features that manifests may ask for exist.
    #[test]
    fn features_of_the_table_are_those_of_the_crates() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compat");
        for facade in FACADES {
            let manifest = root.join(facade.package).join("Cargo.toml");
            let text = std::fs::read_to_string(manifest).unwrap();
            let document: toml_edit::DocumentMut = text.parse().unwrap();
            let names: Vec<&str> = document
                .get("features")
                .and_then(toml_edit::Item::as_table)
                .map(|table| table.iter().map(|(name, _)| name).collect())
                .unwrap_or_default();
            let mut declared: Vec<_> = names
                .into_iter()
                .filter(|name| *name != "default")
                .collect();
            declared.sort_unstable();
            let mut listed = facade.features.to_vec();
            listed.sort_unstable();
            assert_eq!(listed, declared, "{}", facade.package);
        }
    }
}
