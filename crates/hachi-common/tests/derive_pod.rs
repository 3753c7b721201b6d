//! `#[derive(Pod)]`: what it takes, and what it says about the rest.
#![cfg(feature = "derive")]

use std::{fs, path::Path, process::Command};

use hachi_common::{
    Pod, Shareable, Stored, bytes_of,
    layout::{Layout, Parts},
};

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Named {
    /// Documented fields and raw names are fields like others.
    pub(crate) r#type: u64,
    list: [u16; 2],
    last: Inner,
}

#[derive(Clone, Copy, Pod)]
#[repr(C, align(4))]
struct Inner(u8, u8, [u8; 2]);

#[derive(Clone, Copy, Pod)]
#[repr(C, packed)]
struct Generic<T: Copy, const N: usize = 2>
where
    [T; N]: Sized,
{
    tag: u8,
    values: [T; N],
}

#[derive(Clone, Copy, Pod)]
#[repr(transparent)]
struct Wrapper<T>(T)
where
    T: PartialEq;

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Empty;

macro_rules! define {
    ($vis:vis $name:ident { $($field_vis:vis $field:ident: $ty:ty),* }) => {
        #[derive(Clone, Copy, Pod)]
        #[repr(C)]
        $vis struct $name { $($field_vis $field: $ty),* }
    };
}
define!(pub(crate) ByMacro { pub a: u32, b: [u8; 4] });

#[test]
fn plain_structs_are_pod() {
    let value = Named {
        r#type: 1,
        list: [2, 3],
        last: Inner(4, 5, [6, 7]),
    };
    let expected = if cfg!(target_endian = "little") {
        [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 4, 5, 6, 7]
    } else {
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 4, 5, 6, 7]
    };
    assert_eq!(bytes_of(&value), expected);
    assert_eq!(
        bytes_of(&Generic {
            tag: 1,
            values: [2u8, 3]
        }),
        [1, 2, 3]
    );
    assert_eq!(bytes_of(&Wrapper([7u8; 2])), [7, 7]);
    assert_eq!(bytes_of(&Empty), []);
    assert_eq!(
        bytes_of(&ByMacro { a: 0, b: [1; 4] }),
        [0, 0, 0, 0, 1, 1, 1, 1]
    );
}

#[test]
fn layouts_list_their_fields() {
    fn told<T: Pod>() -> Vec<(&'static str, usize, usize, bool)> {
        assert_eq!(T::LAYOUT.size, size_of::<T>());
        let known = |layout: &Layout| layout.parts != Parts::Unknown;
        T::FIELDS
            .iter()
            .map(|f| (f.name, f.offset, f.layout.size, known(f.layout)))
            .collect()
    }
    assert_eq!(
        told::<Named>(),
        [
            ("type", 0, 8, true),
            ("list", 8, 4, true),
            ("last", 12, 4, true)
        ]
    );
    assert_eq!(
        told::<Generic<u32>>(),
        [("tag", 0, 1, true), ("values", 1, 8, true)]
    );
    // Written by hand, it says nothing about its layout.
    assert_eq!(told::<Wrapper<()>>(), [("0", 0, 0, false)]);
    let Parts::Elements(element, 2) = <[Inner; 2]>::LAYOUT.parts else {
        panic!("not an array");
    };
    assert!(matches!(element.parts, Parts::Fields(fields) if fields.len() == 3));
}

/// Compiles `source` as a crate that depends on this one; gives what the compiler says.
fn errors_of(source: &str) -> String {
    // Each test has a directory of its own: they run at the same time.
    let test = std::thread::current().name().unwrap().replace("::", "-");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&dir).unwrap();
    let manifest = format!(
        "[package]\nname = \"wrong\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n\
         [dependencies]\nhachi-common = {{ path = {:?} }}\n",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::write(dir.join("lib.rs"), source).unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "check",
            "--offline",
            "--color=never",
            "--target-dir",
            "../derive_pod",
        ])
        .current_dir(&dir)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(!output.status.success(), "compiled");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn errors_name_the_field() {
    // What the macro itself refuses.
    let errors = errors_of(
        "use hachi_common::Pod;
#[derive(Clone, Copy, Pod)] struct Unordered(u8);
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Loose<T> { value: T }
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Borrowed<'a> { value: &'a u8 }
#[derive(Clone, Copy, Pod)] #[repr(u8)] enum Choice { A }
#[derive(Clone, Copy, Pod)] #[repr(C)] union Either { a: u8 }
",
    );
    for expected in [
        "`Unordered` needs `#[repr(C)]`",
        "`Loose` is generic",
        "a struct with a lifetime cannot be `Pod`",
        "an enum cannot be `Pod`",
        "derive `Shareable`",
        "a union cannot be `Pod`",
    ] {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
    // What the types decide.
    let errors = errors_of(
        "use hachi_common::Pod;
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Flag { on: bool }
#[derive(Clone, Copy, Pod)] #[repr(C, packed)] struct Text<T> { value: T, letter: char }
#[derive(Pod)] #[repr(C)] struct Unique { id: u8 }
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Raw { at: *const u8 }
#[derive(Clone, Copy, PartialEq)] #[repr(u8)] enum Color { Red }
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Painted(u8, Color);
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Static { text: &'static [u8; 4] }
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Some { r#type: core::num::NonZeroU8 }
",
    );
    for expected in [
        "`bool` is not plain data, so user space and kernel cannot share it",
        "required by a bound in `the_field_on_of_Flag_must_be_pod`",
        "`char` is not plain data",
        "`*const u8` is not plain data",
        "the_field_at_of_Raw_must_be_pod",
        "`Color` is not plain data",
        "the_field_1_of_Painted_must_be_pod",
        "`&'static [u8; 4]` is not plain data",
        "the_field_text_of_Static_must_be_pod",
        "the_field_type_of_Some_must_be_pod",
        "a `bool`: `Stored<bool>`",
        "the trait bound `Unique: Copy` is not satisfied",
        "lib.rs:2:58",
    ] {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
    // What the layout decides.
    let errors = errors_of(
        "use hachi_common::Pod;
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Gap { a: u8, b: u32 }
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Tail(u32, u8);
#[derive(Clone, Copy, Pod)] #[repr(C, align(8))] struct Wide { only: u32 }
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Middle { a: u32, b: u16, c: u64, d: u8 }
#[derive(Clone, Copy, Pod)] #[repr(C)] struct Odd { a: u16, c: u8 }
",
    );
    for expected in [
        "`Gap` is not `Pod`: 3 bytes of padding after its field `a`, before `b`; put wider fields \
         first, or fill it: after `a`, add `padding: [u8; 3]`",
        "lib.rs:2:53",
        "`Tail` is not `Pod`: 3 bytes of padding after its field `1`, at the end; fill it: add \
         `padding: [u8; 3]`",
        "`Wide` is not `Pod`: 4 bytes of padding after its field `only`, at the end",
        "`Middle` is not `Pod`: 2 bytes of padding after its field `b`, before `c`",
        "`Odd` is not `Pod`: 1 byte of padding after its field `c`, at the end; fill it: add \
         `padding: [u8; 1]`",
    ] {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
}

#[test]
fn enums_are_checked_when_they_are_read() {
    #[derive(Clone, Copy, Debug, PartialEq, Shareable)]
    #[repr(i16)]
    enum Choice {
        /// Documented variants are variants like others.
        Low = -3,
        Next,
        High = 1 << 9,
    }
    assert_eq!(Choice::from_bits(-3), Some(Choice::Low));
    assert_eq!(Choice::from_bits(-2), Some(Choice::Next));
    assert_eq!(Choice::from_bits(512), Some(Choice::High));
    assert_eq!(Choice::from_bits(0), None);

    #[derive(Clone, Copy, Pod)]
    #[repr(C)]
    struct Event {
        choice: Stored<Choice>,
        on: Stored<bool>,
        rest: u8,
    }
    let event: Event = hachi_common::read_bytes(&[0, 2, 9, 0]).unwrap();
    let expected = if cfg!(target_endian = "little") {
        Some(Choice::High)
    } else {
        None
    };
    assert_eq!((event.choice.get(), event.on.get()), (expected, true));
    assert_eq!(Event::FIELDS[0].layout, i16::LAYOUT);
}

#[test]
fn errors_of_enums_name_the_variant() {
    let errors = errors_of(
        "use hachi_common::Shareable;
#[derive(Clone, Copy, Shareable)] enum Unnumbered { A, B }
#[derive(Clone, Copy, Shareable)] #[repr(u8)] enum Loaded { A, B(u8) }
#[derive(Clone, Copy, Shareable)] #[repr(C)] struct Plain { a: u8 }
#[derive(Clone, Copy, Shareable)] #[repr(u8)] enum Generic<T> { A(T) }
",
    );
    for expected in [
        "`Unnumbered` needs an integer as its `repr`",
        "the variant `B` of `Loaded` has data",
        "a struct of plain data derives `Pod`",
        "`Generic` has parameters",
    ] {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
}

#[test]
fn errors_of_values_in_place_name_the_field() {
    let errors = errors_of(
        "use hachi_common::{MapValue, Shared};
#[derive(MapValue)] #[repr(C)] struct Gap { a: Shared<u8>, b: Shared<u32> }
#[derive(MapValue)] struct Unordered { a: Shared<u8> }
#[derive(MapValue)] enum Choice { A }
",
    );
    for expected in [
        "`Unordered` needs `#[repr(C)]` to be the value of a map",
        "an enum without data derives `Shareable`",
    ] {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
    let errors = errors_of(
        "use hachi_common::{MapValue, Shared};
#[derive(MapValue)] #[repr(C)] struct Flow { packets: u64, ports: [Shared<u16>; 4] }
#[derive(MapValue)] #[repr(C)] struct Name { text: &'static str }
",
    );
    for expected in [
        "the_field_packets_of_Flow_must_be_shared",
        "found `Shared<u64>`",
        "lib.rs:2:46",
        "`&'static str` cannot be the value of a map",
        "the_field_text_of_Name_must_be_shared",
    ] {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
    let errors = errors_of(
        "use hachi_common::{MapValue, Shared};
#[derive(MapValue)] #[repr(C)] struct Gap { a: Shared<u8>, b: Shared<u32> }
",
    );
    let expected = "`Gap` cannot be the value of a map: 3 bytes of padding after its field `a`, \
                    before `b`; put wider fields first, or fill it: after `a`, add `padding: \
                    Shared<[u8; 3]>`";
    assert!(errors.contains(expected), "missing: {expected}\n{errors}");
}

#[test]
fn refuses_types_that_cannot_be_a_record() {
    let errors = errors_of(
        "use hachi_common::{Record, Shared, field};
fn send<R: Record + ?Sized>(_: &R) {}
struct Padded { a: u8, b: u64 }
#[repr(C, packed)] #[derive(Clone, Copy, hachi_common::Pod)]
#[pod(crate = hachi_common)] struct Packed { a: u8, b: u64 }
pub fn f(cell: &Shared<Packed>) {
    send(&Padded { a: 1, b: 2 });
    send(&\"a fat pointer\");
    let _ = field!(cell, b);
}
",
    );
    for expected in [
        "`Padded` cannot be sent as a record",
        "`&str` cannot be sent as a record",
        "send `text`, not `&text`",
        "a struct of your own: `#[derive(Clone, Copy, Pod)] #[repr(C)]`",
    ] {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
}
