//! What kernels get of kinds that they do not know.

use crate::tests::{member, zoo};
use crate::*;

#[test]
fn old_kernels_get_only_kinds_they_know() {
    let old = Features {
        func: false,
        datasec: false,
        func_global: false,
        float: false,
        decl_tag: false,
        type_tag: false,
        enum64: false,
        qmark_datasec: false,
    };
    let mut b = zoo();
    let len = b.len() as u32;
    sanitize(&mut b, &old);
    let kinds = [
        (9, Kind::Enum),
        (10, Kind::Union),
        (15, Kind::Enum),
        (16, Kind::Typedef),
        (17, Kind::Int),
        (18, Kind::Struct),
        (19, Kind::Struct),
        (20, Kind::Int),
        (21, Kind::Const),
        (len + 1, Kind::Int),
    ];
    for (id, kind) in kinds {
        assert_eq!(b.get(id).map(Type::kind), Some(kind), "{id}");
    }
    assert!(matches!(b.get(9), Some(Type::Enum(e)) if !e.signed));
    let Some(Type::Struct(sec)) = b.get(18) else {
        panic!("{:?}", b.get(18))
    };
    assert_eq!(sec.name, "_rodata");
    assert_eq!(sec.members, [member("limit", 17, 32, 0)]);
    assert_eq!(b.size_of(10), Ok(8));

    // For a kernel that knows everything only externs change.
    let mut same = zoo();
    sanitize(&mut same, &Features::default());
    assert_eq!(same, zoo());
    let id = same.add(Type::Func(Func {
        name: "outside".into(),
        type_id: 15,
        linkage: Linkage::Extern,
    }));
    sanitize(&mut same, &Features::default());
    assert!(matches!(same.get(id), Some(Type::Func(f)) if f.linkage == Linkage::Static));

    // What other objects define leaves its section, and a section of nothing else is none.
    let mut b = BtfBuilder::new();
    let int = b.add(Type::Int(Int::signed("int", 4)));
    let mut var = |name: &str, linkage| {
        let name = name.into();
        b.add(Type::Var(Var {
            name,
            type_id: int,
            linkage,
        }))
    };
    let [own, other, third] = [
        var("own", Linkage::Global),
        var("other", Linkage::Extern),
        var("third", Linkage::Extern),
    ];
    let mut section = |name: &str, vars: &[u32]| {
        let vars = vars.iter().map(|&type_id| VarSecInfo {
            type_id,
            offset: 0,
            size: 4,
        });
        let vars = vars.collect();
        let name = name.into();
        b.add(Type::DataSec(DataSec {
            name,
            size: 4,
            vars,
        }))
    };
    let (mixed, theirs) = (section(".maps", &[own, other]), section(".data", &[third]));
    let params = vec![
        Param {
            name: String::new(),
            type_id: int,
        },
        Param {
            name: String::new(),
            type_id: 0,
        },
    ];
    let proto = b.add(Type::FuncProto(FuncProto {
        ret_type_id: 0,
        params,
    }));
    let linkage = Linkage::Extern;
    b.add(Type::Func(Func {
        name: "elsewhere".into(),
        type_id: proto,
        linkage,
    }));
    sanitize(&mut b, &Features::default());
    assert!(matches!(b.get(mixed), Some(Type::DataSec(sec)) if sec.vars.len() == 1));
    assert!(matches!(b.get(theirs), Some(Type::Struct(of)) if of.members.is_empty()));
    assert!(matches!(b.get(other), Some(Type::Int(of)) if of.name == "other"));
    let names = match b.get(proto) {
        Some(Type::FuncProto(proto)) => proto.params.iter().map(|param| param.name.as_str()),
        other => panic!("{other:?}"),
    };
    // What stands for `...` stays without one.
    assert_eq!(names.collect::<Vec<_>>(), ["arg0", ""]);

    let mut b = BtfBuilder::new();
    let sec = |name: &str| {
        Type::DataSec(DataSec {
            name: name.into(),
            size: 4,
            vars: vec![],
        })
    };
    b.add(sec("?.struct_ops"));
    let no_qmark = Features {
        qmark_datasec: false,
        ..Features::default()
    };
    sanitize(&mut b, &no_qmark);
    assert_eq!(b.get(1), Some(&sec("_.struct_ops")));
}
