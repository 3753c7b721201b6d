//! Whole links of small objects; see `testdata/README.md`.

use hachi_asm::{Insn, build};
use hachi_btf::ext::CoreReloKind;
use hachi_btf::{Btf, BtfBuilder, BtfExt, Linkage, Type};

use super::elf::{Binding, Object, Place, RelocKind, Symbol, bytes_at};
use super::*;

const RUST: &[u8] = include_bytes!("testdata/rust.o");
const FIRST: &[u8] = include_bytes!("testdata/first.o");
const SECOND: &[u8] = include_bytes!("testdata/second.o");
const BIG: &[u8] = include_bytes!("testdata/big.o");

fn link(objects: &[(&str, &[u8])]) -> Result<Finished, Vec<Diagnostic>> {
    link_for(Leave::Loadable, objects)
}

fn link_for(leave: Leave, objects: &[(&str, &[u8])]) -> Result<Finished, Vec<Diagnostic>> {
    let entries: Vec<String> = ["xdp", "from_rust", "LICENSE"].map(String::from).into();
    let input = FinishInput {
        objects: objects
            .iter()
            .map(|&(name, data)| InputObject {
                name,
                data,
                origin: match name.ends_with(".o") {
                    true => Origin::Given,
                    false => Origin::Compiled,
                },
            })
            .collect(),
        entries: &entries,
        leave,
        renames: &[("xdp.hachi".into(), "xdp".into())],
        package_dir: Some(Path::new("/build")),
        arch: None,
        lines: &LineTable::default(),
    };
    finish(&input, &mut Sources::default())
}

/// Both halves of the program, linked, and read again.
struct Linked {
    file: Vec<u8>,
    object: Object,
    btf: BtfBuilder,
    ext: BtfExt,
    warnings: Vec<Diagnostic>,
}

impl Linked {
    fn new(objects: &[(&str, &[u8])]) -> Self {
        Self::leaving(Leave::Loadable, objects)
    }

    fn leaving(leave: Leave, objects: &[(&str, &[u8])]) -> Self {
        let Finished {
            object: file,
            warnings,
        } = link_for(leave, objects).unwrap_or_else(|errors| panic!("{errors:?}"));
        let object = elf::read(&file, 0).unwrap();
        let bytes = &object.btf.as_ref().unwrap().data;
        let reader = Btf::parse(bytes).unwrap();
        let btf = BtfBuilder::from_btf(&reader).unwrap();
        let ext = BtfExt::parse(&object.btf_ext.as_ref().unwrap().data, &reader).unwrap();
        Linked {
            btf,
            ext,
            warnings,
            object,
            file,
        }
    }

    fn both() -> Self {
        Linked::new(&[("rust", RUST), ("first.o", FIRST)])
    }

    fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.object.symbols.iter().find(|s| s.name == name)
    }

    fn section(&self, name: &str) -> &elf::Section {
        let found = self.object.sections.iter().find(|s| s.name == name);
        found.unwrap_or_else(|| panic!("no section {name}"))
    }

    /// Names of what a section refers to, in order.
    fn references(&self, section: &str) -> Vec<(RelocKind, &str, i64)> {
        let relocs = self.section(section).relocs.iter();
        relocs
            .map(|r| {
                (
                    r.kind,
                    self.object.symbols[r.symbol].name.as_str(),
                    r.addend,
                )
            })
            .collect()
    }

    fn var(&self, name: &str) -> u32 {
        let found = self.btf.iter().find_map(|(_, ty)| match ty {
            Type::Var(var) if var.name == name => Some(var.type_id),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no variable {name}"))
    }

    /// A map's definition as libbpf reads it: numbers, and names of types.
    fn map(&self, name: &str) -> Vec<String> {
        let Some(Type::Struct(def)) = self.btf.get(self.var(name)) else {
            panic!("{name} is no map");
        };
        let members = def.members.iter().map(|member| {
            let Some(Type::Ptr(ptr)) = self.btf.get(member.type_id) else {
                panic!("{name}.{} is no pointer", member.name);
            };
            match self.btf.get(ptr.type_id) {
                Some(Type::Array(array)) => format!("{}={}", member.name, array.nelems),
                Some(ty) => format!("{}:{}", member.name, ty.name().map_or("", String::as_str)),
                None => format!("{}:void", member.name),
            }
        });
        members.collect()
    }

    fn func(&self, name: &str) -> Option<&hachi_btf::Func> {
        self.btf.iter().find_map(|(_, ty)| match ty {
            Type::Func(func) if func.name == name => Some(func),
            _ => None,
        })
    }
}

#[test]
fn maps_get_libbpfs_form_and_their_own_names() {
    let linked = Linked::both();
    assert_eq!(
        linked.map("FIRST"),
        ["type=2", "max_entries=16", "key:u32", "value:u64"]
    );
    assert_eq!(
        linked.map("SECOND"),
        [
            "type=1",
            "max_entries=32",
            "map_flags=1",
            "key:Option_u32",
            "value:tuple_u8_Payload"
        ]
    );
    assert_eq!(
        linked.map("WRAPPED"),
        ["type=1", "max_entries=4", "key:char32_t", "value:u32"]
    );
    assert_eq!(linked.map("EVENTS"), ["type=27", "max_entries=4096"]);
    // C's is in that form already.
    assert_eq!(
        linked.map("CONFIG"),
        [
            "type=2",
            "max_entries=8",
            "key:unsigned int",
            "value:config"
        ]
    );
    for name in ["FIRST", "SECOND", "WRAPPED", "EVENTS", "CONFIG"] {
        assert_eq!(linked.symbol(name).unwrap().binding, Binding::Global);
    }
}

/// Two private maps in one section are referred to by section and offset, and libbpf ignores the
/// offset.
#[test]
fn every_program_uses_the_map_it_means() {
    let linked = Linked::both();
    let references = linked.references("xdp");
    let maps: Vec<_> = references
        .iter()
        .filter(|r| ["FIRST", "SECOND", "WRAPPED", "EVENTS"].contains(&r.1))
        .collect();
    let names: Vec<_> = maps.iter().map(|r| r.1).collect();
    assert_eq!(names, ["SECOND", "FIRST", "WRAPPED", "EVENTS"]);
    assert!(maps.iter().all(|r| r.0 == RelocKind::LdImm64 && r.2 == 0));
    let places: Vec<_> = names
        .iter()
        .map(|n| linked.symbol(n).unwrap().value)
        .collect();
    let mut distinct = places.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), places.len());
}

#[test]
fn functions_are_named_described_and_only_those_needed() {
    let linked = Linked::both();
    for (name, linkage) in [
        ("xdp", Linkage::Global),
        ("classify", Linkage::Global),
        ("from_rust", Linkage::Global),
        ("from_c", Linkage::Global),
        ("add_u32", Linkage::Static),
        ("add_u64", Linkage::Static),
    ] {
        let func = linked
            .func(name)
            .unwrap_or_else(|| panic!("no function {name}"));
        assert_eq!(func.linkage, linkage, "{name}");
        let symbol = linked.symbol(name).unwrap();
        let Place::In(section) = symbol.place else {
            panic!("{name} is nowhere");
        };
        let section = &linked.object.sections[section].name;
        let at = |off: u32| u64::from(off) == symbol.value;
        let funcs = linked
            .ext
            .func_info
            .iter()
            .find(|s| s.name == *section)
            .unwrap();
        assert!(funcs.records.iter().any(|r| at(r.insn_off)), "{name}");
        let lines = linked
            .ext
            .line_info
            .iter()
            .find(|s| s.name == *section)
            .unwrap();
        assert!(lines.records.iter().any(|r| at(r.insn_off)), "{name}");
    }
    assert!(linked.symbol("never_called").is_none());
    assert!(linked.func("never_called").is_none());
    // Callbacks are named by section and offset: libbpf knows them by nothing else.
    let callbacks: Vec<i64> = linked
        .references("xdp")
        .iter()
        .filter(|r| r.0 == RelocKind::LdImm64 && r.1.is_empty())
        .map(|r| r.2)
        .collect();
    for name in ["add_u32", "add_u64"] {
        let start = linked.symbol(name).unwrap().value as i64;
        assert!(callbacks.contains(&start), "{name}");
    }
}

#[test]
fn contexts_have_the_kernels_type() {
    let linked = Linked::both();
    for (name, context) in [("xdp", "xdp_md"), ("classify", "__sk_buff")] {
        let proto = linked.func(name).unwrap().type_id;
        let Some(Type::FuncProto(proto)) = linked.btf.get(proto) else {
            panic!("{name} has no signature");
        };
        let Some(Type::Ptr(ptr)) = linked.btf.get(proto.params[0].type_id) else {
            panic!("{name} takes no pointer");
        };
        let pointee = linked.btf.get(ptr.type_id).and_then(Type::name);
        assert_eq!(pointee.map(String::as_str), Some(context));
    }
}

#[test]
fn log_sites_become_numbers() {
    let linked = Linked::both();
    let log = linked.section(".hachi.log");
    assert!(!log.alloc);
    assert_eq!(log.size, 32);
    assert!(linked.symbol("SITE").is_none());
    assert!(linked.btf.datasec(".hachi.log").is_none());
    let code = Insn::decode_all(&linked.section("xdp").data, hachi_asm::Endian::Little).unwrap();
    for site in log.data.chunks(16) {
        let number = hachi_common::log::site_number(site);
        let wanted = code
            .windows(2)
            .filter(|w| w[0].is_ld_imm64() && w[0].src == 0)
            .any(|w| (w[0].imm, w[1].imm) == (number as i32, 0));
        assert!(wanted, "no instruction loads {number}");
    }
}

#[test]
fn questions_become_records() {
    let linked = Linked::both();
    let records = &linked.ext.core_relo[0].records;
    let asked: Vec<_> = records.iter().map(|r| (r.kind, &*r.access)).collect();
    assert_eq!(
        asked,
        [
            (CoreReloKind::FieldByteOffset, "0:0"),
            (CoreReloKind::FieldExists, "0:1:0:0"),
            (CoreReloKind::TypeIdLocal, "0"),
        ]
    );
    assert_eq!(records[0].type_id, records[1].type_id);
    let code = &linked.section("xdp").data;
    let insn = |at: u32| {
        Insn::decode(
            bytes_at::<8>(code, at.into()).unwrap(),
            linked.object.endian,
        )
    };
    assert_eq!(insn(records[0].insn_off), build::mov_imm(0, 0));
    assert_eq!(insn(records[1].insn_off), build::mov_imm(0, 1));
    let payload = linked
        .btf
        .iter()
        .find(|(_, ty)| ty.name().is_some_and(|n| n == "Payload"));
    let (payload, _) = payload.unwrap();
    assert_eq!(records[2].type_id, payload);
    assert_eq!(insn(records[2].insn_off).imm, payload as i32);
    assert!(insn(records[2].insn_off).is_ld_imm64());

    let ksyms = linked.btf.datasec(".ksyms").unwrap().1;
    // The one that first.c names in a function nobody calls is gone.
    assert_eq!(ksyms.vars.len(), 2);
    let references = linked.references("xdp");
    let kernel: Vec<_> = references
        .iter()
        .filter(|r| r.1.starts_with("bpf_rcu"))
        .collect();
    assert_eq!(
        kernel,
        [
            &(RelocKind::Call, "bpf_rcu_read_lock", 0),
            &(RelocKind::Call, "bpf_rcu_read_unlock", 0),
            &(RelocKind::LdImm64, "bpf_rcu_read_unlock", 0),
        ]
    );
    // One use that needs the function outweighs one that asks for it.
    assert_eq!(
        linked.symbol("bpf_rcu_read_unlock").unwrap().binding,
        Binding::Global
    );
}

#[test]
fn statics_are_found_by_their_last_name() {
    let linked = Linked::both();
    let Some(Type::Int(int)) = linked.btf.get(linked.var("LIMIT")) else {
        panic!("LIMIT is still wrapped");
    };
    assert_eq!(int.name, "u64");
    linked.var("rust_inner_LIMIT");
    let warned: Vec<_> = linked
        .warnings
        .iter()
        .map(|w| w.headline.as_str())
        .collect();
    assert_eq!(warned, ["two statics are named `LIMIT`"]);
}

#[test]
fn nothing_of_the_building_machine_remains() {
    let linked = Linked::both();
    let has = |text: &str| {
        linked
            .file
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(!has("/build"));
    assert!(!has("/rustc/"));
    assert!(has("rust.rs\0"));
    assert!(has("core/src/"));
    assert!(!has("17h"), "mangled names");
    assert!(linked.file.len() < 8 << 10, "{} bytes", linked.file.len());
}

#[test]
fn contradictions_between_objects_name_both() {
    let errors = link(&[("first.o", FIRST), ("second.o", SECOND)])
        .err()
        .unwrap();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("disagree about the license") && texts[0].contains("MIT"));
    assert!(texts[1].contains("`from_c` is defined twice"));
    for text in &texts {
        assert!(
            text.contains("`first.o`") && text.contains("`second.o`"),
            "{text}"
        );
    }
}

#[test]
fn pointers_in_data_are_refused() {
    let errors = link(&[("second", SECOND)]).err().unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].headline,
        "the static `names` holds a pointer to constant data"
    );
    let location = errors[0].primary.as_ref().unwrap();
    assert_eq!((location.file.as_str(), location.line), ("second.c", 5));
    assert_eq!(errors[0].function.as_deref(), Some("names_of"));
}

/// Other linkers take an object with pointers in its data, and its author knows what becomes of
/// them.
#[test]
fn pointers_in_the_data_of_a_given_object_stay_with_a_warning() {
    let linked = Linked::new(&[("second.o", SECOND)]);
    let warned: Vec<_> = linked
        .warnings
        .iter()
        .map(|w| w.headline.as_str())
        .collect();
    assert_eq!(
        warned,
        ["the static `names` holds a pointer to constant data"]
    );
    let data = linked.section(".rodata");
    let before = elf::read(SECOND, 0).unwrap();
    let original = before
        .sections
        .iter()
        .find(|s| s.name == ".rodata")
        .unwrap();
    assert_eq!(data.data, original.data);
    assert_eq!(data.relocs.len(), original.relocs.len());
}

#[test]
fn missing_definitions_name_the_caller() {
    let errors = link(&[("rust", RUST)]).err().unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].headline,
        "the function `from_c` is called but defined nowhere"
    );
    assert_eq!(errors[0].function.as_deref(), Some("xdp"));
    assert_eq!(errors[0].primary.as_ref().unwrap().file, "rust.rs");
}

#[test]
fn a_link_in_between_keeps_functions_and_leaves_what_is_missing() {
    let half = Linked::leaving(Leave::Relocatable, &[("first.o", FIRST)]);
    for kept in ["from_c", "never_called", "overridable", "classify"] {
        assert_ne!(half.symbol(kept).unwrap().place, Place::Undefined, "{kept}");
    }
    assert_eq!(half.symbol("from_rust").unwrap().place, Place::Undefined);
    let mut functions = half.btf.iter().filter_map(|(_, ty)| match ty {
        Type::Func(function) if function.name == "from_rust" => Some(function.linkage),
        _ => None,
    });
    assert_eq!(functions.next(), Some(Linkage::Extern), "with its type");
    // Compiled code has no types of what it lacks, and nothing could tell what it calls.
    for leave in [Leave::Loadable, Leave::Relocatable] {
        let refused = link_for(leave, &[("rust", RUST)]).err().unwrap();
        assert!(!refused[0].helps[0].text.contains("--relocatable"));
    }

    let whole = Linked::new(&[("rust", RUST), ("half.o", &half.file)]);
    let direct = Linked::both();
    assert_eq!(whole.section("xdp").data, direct.section("xdp").data);
    assert_eq!(whole.references("xdp"), direct.references("xdp"));
    assert!(whole.symbol("never_called").is_none(), "no loader needs it");
}

/// The object with one text in it replaced by another of the same length.
fn replaced(object: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = object
        .windows(from.len())
        .position(|w| w == from.as_bytes())
        .unwrap();
    let mut object = object.to_vec();
    object[at..at + to.len()].copy_from_slice(to.as_bytes());
    object
}

#[test]
fn unknown_questions_are_errors() {
    for (from, to, said) in [
        (
            "hachi:1:field_exists",
            "hachi:2:field_exists",
            "version `2`",
        ),
        ("field_exists", "field_exotic", "no question `field_exotic`"),
        ("load.weight=u64", "load.weight#u64", "expected `=`"),
        (
            "kfunc:bpf_rcu_read_lock:fn()",
            "kfunc:bpf_rcu_read_lock:u32 ",
            "no function",
        ),
    ] {
        let object = replaced(RUST, from, to);
        let errors = link(&[("rust", &object), ("first.o", FIRST)])
            .err()
            .unwrap();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].headline.contains(said), "{}", errors[0]);
        assert!(
            errors[0].notes[0].text.contains(to),
            "the symbol is quoted: {}",
            errors[0]
        );
        assert!(errors[0].primary.is_some());
    }
}

#[test]
fn weak_definitions_give_way() {
    let third: (&str, &[u8]) = ("third.o", include_bytes!("testdata/third.o"));
    let first: (&str, &[u8]) = ("first.o", FIRST);
    for order in [[first, third], [third, first]] {
        let linked = Linked::new(&order);
        let symbol = linked.symbol("overridable").unwrap();
        assert_eq!(symbol.binding, Binding::Global);
        let text = linked.section(".text");
        let insn = bytes_at::<8>(&text.data, symbol.value).unwrap();
        assert_eq!(Insn::decode(insn, linked.object.endian).imm, 2);
        assert_eq!(text.size, symbol.size, "the other one is gone");
    }
}

#[test]
fn both_byte_orders_give_the_same() {
    // Without a caller `from_c` goes, and with it the need for what it calls.
    let little = Linked::new(&[("first.o", FIRST)]);
    let big = Linked::new(&[("big.o", BIG)]);
    assert!(little.btf.datasec(".ksyms").is_none());
    assert_eq!(big.object.endian, hachi_asm::Endian::Big);
    assert_eq!(little.btf, big.btf);
    assert_eq!(little.ext, big.ext);
    assert_eq!(little.references("tc"), big.references("tc"));
    let code = |linked: &Linked| {
        Insn::decode_all(&linked.section("tc").data, linked.object.endian).unwrap()
    };
    assert_eq!(code(&little), code(&big));
    assert!(link(&[("first.o", FIRST), ("big.o", BIG)]).is_err());
}

/// Objects may come from anywhere; whatever is in them, the answer is an object or an error.
#[test]
fn damaged_objects_never_panic() {
    let mut answered = 0;
    for object in [RUST, FIRST] {
        for length in (0..object.len()).step_by(61) {
            answered += usize::from(link(&[("cut", &object[..length])]).is_err());
        }
        for at in (0..object.len()).step_by(43) {
            for bit in [0x01, 0x80] {
                let mut damaged = object.to_vec();
                damaged[at] ^= bit;
                // Some damage does no harm, so either answer will do.
                let _ = link(&[("damaged", &damaged), ("first.o", FIRST)]);
                answered += 1;
            }
        }
    }
    assert!(answered > 300);
    let errors = link(&[("text", b"not an object")]).err().unwrap();
    assert_eq!(errors[0].headline, "`text` is no 64-bit ELF file");
}
