//! The table of contexts is the kernel's: where fields are, by its types, and who may use them, by
//! its verifier.

use hachi::EbpfLoader;
use hachi_asm::Size;
use hachi_asm::build::{exit, load, mov_imm, store};
use hachi_btf::{Btf, Kind, Types as _};
use hachi_obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
use hachi_test::machine::context::{Access, Layout};
use hachi_test::{in_guest, kernel_is_older_than, require_bpf, skip};

/// Where a member of a structure is, in bytes; also one in structures without a name.
fn member(types: &Btf<'_>, structure: u32, name: &str) -> Option<u32> {
    for member in types.members(types.resolve(structure).ok()?).ok()? {
        let at = member.bit_offset / 8;
        if member.name == name {
            return Some(at);
        }
        if member.name.is_empty()
            && let Some(inside) = self::member(types, member.type_id, name)
        {
            return Some(at + inside);
        }
    }
    None
}

#[test]
fn fields_are_where_the_kernels_types_have_them() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        skip!("this kernel has no types");
    };
    let types = Btf::parse(&bytes).unwrap();
    let mut compared = 0;
    for layout in Layout::all() {
        let Some(id) = types.find(layout.name, Kind::Struct) else {
            continue;
        };
        for field in layout.fields {
            // Older kernels have fewer fields.
            let Some(at) = member(&types, id, field.name) else {
                continue;
            };
            let place = (layout.name, field.name);
            assert_eq!(u32::from(field.offset), at, "{place:?}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} fields");
}

/// A section for each type, and attach type, whose context has fields.
const SECTIONS: &[&str] = &[
    "xdp",
    "xdp/devmap",
    "socket",
    "classifier",
    "cgroup_skb/egress",
    "lwt_in",
    "lwt_xmit",
    "sk_skb/stream_verdict",
    "flow_dissector",
    "cgroup/sock_create",
    "cgroup/post_bind4",
    "cgroup/post_bind6",
    "cgroup/bind4",
    "cgroup/connect6",
    "cgroup/sendmsg4",
    "cgroup/sendmsg6",
    "cgroup/connect_unix",
    "cgroup/getsockopt",
    "cgroup/setsockopt",
    "cgroup/sysctl",
    "cgroup/dev",
    "sockops",
    "sk_lookup",
    "sk_msg",
    "sk_reuseport",
];

/// Whether the kernel accepts a program that reads or writes these bytes of its context.
fn kernel_allows(section: &str, at: u16, size: Size, write: bool) -> bool {
    let access = match write {
        true => [mov_imm(2, 0), store(size, 1, at as i16, 2)],
        false => [load(size, 2, 1, at as i16), mov_imm(0, 1)],
    };
    let insns = [access[0], access[1], mov_imm(0, 1), exit()].to_vec();
    let mut spec = Spec::new(Endian::NATIVE);
    spec.license = "GPL".to_owned();
    let code = Code::new("access", insns);
    let mut program = ProgramSpec::new("access", ProgramType::Unspec, code);
    program.set_kind(section).unwrap();
    spec.programs.push(program);
    let mut ebpf = EbpfLoader::new().load_spec(spec).unwrap();
    ebpf.program_mut("access").unwrap().load().is_ok()
}

/// Thousands of small programs, so only in a guest.
#[test]
#[ignore = "in a guest by hand: `cargo xtask guest --kernel 6.12 -p hachi-tests --test contexts`"]
fn fields_are_used_as_the_verifier_allows() {
    require_bpf!();
    if !in_guest() {
        skip!("it loads a program for each access: in guests only");
    }
    if kernel_is_older_than("6.12") {
        skip!("the table is as kernels are since Linux 6.12");
    }
    let mut wrong = Vec::new();
    let mut compared = 0;
    for section in SECTIONS {
        let code = Code::new("of", vec![exit()]);
        let mut of = ProgramSpec::new("of", ProgramType::Unspec, code);
        of.set_kind(section).unwrap();
        let layout = Layout::of(of.program_type).unwrap();
        for field in layout.fields {
            let sizes = [(Size::B, 1), (Size::H, 2), (Size::W, 4), (Size::Dw, 8)];
            for ((size, bytes), write) in sizes.into_iter().flat_map(|s| [(s, false), (s, true)]) {
                // Another field may begin at the same place.
                let may = layout.fields.iter().any(|other| {
                    let may = match write {
                        true => other.is_writable(of.program_type, of.attach_type),
                        false => other.is_readable(of.program_type, of.attach_type),
                    };
                    let access = if write { Access::Write } else { Access::Read };
                    may && other.allows(field.offset.into(), bytes, access)
                });
                if may != kernel_allows(section, field.offset, size, write) {
                    wrong.push(format!(
                        "{section}: {} of {bytes}, write {write}",
                        field.name
                    ));
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared} accesses");
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ: {wrong:#?}",
        wrong.len()
    );
}
