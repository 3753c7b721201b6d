//! Types printed as C, judged by a C compiler.

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;

use hachi_btf::{Btf, Kind, Type, Types as _, print};
use hachi_test::{TempDir, skip};

/// C that fails to compile unless sizes and offsets of all structs are those in the types. Structs
/// that share their name with others are left out: which is which cannot be said.
fn assertions(btf: &Btf<'_>) -> String {
    let mut names: HashMap<&str, u32> = HashMap::new();
    for item in btf.iter().expect("is sound") {
        let (_, ty) = item.expect("is sound");
        if matches!(
            ty.kind(),
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd
        ) {
            *names.entry(ty.name().expect("has one")).or_default() += 1;
        }
    }
    let mut text = String::new();
    let mut count = 0;
    for item in btf.iter().expect("is sound") {
        let (id, ty) = item.expect("is sound");
        let (Type::Struct(composite) | Type::Union(composite)) = &ty else {
            continue;
        };
        if composite.name.is_empty() || names[composite.name] != 1 {
            continue;
        }
        let name = btf.type_name(id);
        writeln!(
            text,
            "_Static_assert(sizeof({name}) == {}, \"\");",
            composite.size
        )
        .unwrap();
        for member in composite.members.iter().filter(|m| !m.name.is_empty()) {
            let (field, bits) = (member.name, member.bit_offset);
            match member.bit_size {
                0 => writeln!(
                    text,
                    "_Static_assert(__builtin_offsetof({name}, {field}) == {}, \"\");",
                    bits / 8
                ),
                // The place of a bit-field shows in the value that has all its bits set.
                size if bits + u32::from(size) <= 64 && composite.size >= 8 => {
                    let value = (u64::MAX >> (64 - u32::from(size))) << bits;
                    count += 1;
                    writeln!(
                        text,
                        "union test_{count} {{ {name} all; unsigned long long bits; }};\n\
                         unsigned long long get_{count}(void) {{\n\
                         \tunion test_{count} it = {{ .bits = 0 }};\n\
                         \tit.all.{field} = -1;\n\
                         \treturn it.bits == {value}ULL ? 0 : wrong_{count}();\n}}"
                    )
                }
                _ => Ok(()),
            }
            .unwrap();
        }
    }
    // Functions that the optimiser removes, unless a bit-field lies elsewhere.
    let declared: String = (1..=count)
        .map(|n| format!("int wrong_{n}(void) __attribute__((error(\"a bit-field moved\")));\n"))
        .collect();
    declared + &text
}

#[test]
fn the_kernels_types_compile_to_the_same_layouts() {
    let Some(clang) = hachi_test::find_clang() else {
        skip!("no clang that makes code for BPF");
    };
    let kernels = support::kernels();
    if kernels.is_empty() {
        skip!("no /sys/kernel/btf/vmlinux");
    }
    for (name, bytes) in kernels {
        eprintln!("{name}");
        let btf = Btf::parse(&bytes).expect("parses");
        let header = print::header(&btf, 1..=btf.last_id(), "__VMLINUX_H__").expect("prints");
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.join("vmlinux.h"), header).unwrap();
        let test = format!("#include \"vmlinux.h\"\n{}", assertions(&btf));
        std::fs::write(dir.join("test.c"), test).unwrap();
        support::run_clang(
            &clang,
            dir.path(),
            &["-Werror", "-O1", "-S", "-o", "test.s", "test.c"],
        );
    }
}
