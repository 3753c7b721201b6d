//! Calls of magic symbols become instructions that a loader fills in: CO-RE relocations and
//! references to what the kernel provides by name.

use std::collections::{BTreeMap, HashMap};

use hachi_asm::{Imm64, Insn, build};
use hachi_btf::ext::{CoreRelo, CoreReloKind};
use hachi_btf::{BtfBuilder, Func, Linkage, Type, Var};

use super::core_types::{LocalTypes, RootId};
use super::edit::Edits;
use super::elf::{Binding, Place, RelocKind, Symbol, SymbolKind, bytes_at};
use super::link::{Extern, Provider};
use super::names;
use super::states::{Named, Shown};
use super::symbol::{EnumKind, ExternKind, FieldKind, Question, Step, TypeExpr, TypeKind};
use crate::{Code, Diagnostic};

/// A call that asks something about the kernel's types.
struct Asked {
    section: usize,
    offset: u64,
    subject: Subject,
}

enum Subject {
    Field {
        kind: FieldKind,
        root: RootId,
        access: Vec<u32>,
        /// The path ends at an array's element.
        element: bool,
    },
    Type(TypeKind, TypeExpr),
    Enum {
        kind: EnumKind,
        root: RootId,
        number: u32,
        value: i64,
        wide: bool,
    },
}

/// All that live code asks.
#[derive(Default)]
struct Collected {
    types: LocalTypes,
    asked: Vec<Asked>,
    externs: Externs,
}

impl Collected {
    /// Takes in one question, asked by the call at `offset`. Gives what the call refers to instead,
    /// if to anything: the kind of reference, and the number of what it means among [`Externs`].
    ///
    /// # Errors
    /// A declaration of the same name with another type.
    fn ask(
        &mut self,
        question: Question,
        section: usize,
        offset: u64,
    ) -> Result<Option<(RelocKind, usize)>, Box<Diagnostic>> {
        let subject = match question {
            Question::Field {
                kind,
                root_kind,
                root,
                index,
                path,
                leaf,
                bits,
            } => {
                let (root, mut access) = self.types.field(root_kind, &root, &path, &leaf, bits);
                access.insert(0, index);
                Subject::Field {
                    kind,
                    root,
                    access,
                    element: matches!(path.last(), Some(Step::Index(_))),
                }
            }
            Question::Type { kind, ty } => Subject::Type(kind, ty),
            Question::Enum {
                kind,
                name,
                variant,
                value,
                wide,
            } => {
                let (root, number) = self.types.variant(&name, &variant, value);
                Subject::Enum {
                    kind,
                    root,
                    number,
                    value,
                    wide,
                }
            }
            Question::Extern {
                kind,
                weak,
                name,
                ty,
            } => {
                let number = self.externs.add(kind, weak, &name, &ty)?;
                let reference = match kind {
                    ExternKind::Kfunc => RelocKind::Call,
                    _ => RelocKind::LdImm64,
                };
                return Ok(Some((reference, number)));
            }
        };
        self.asked.push(Asked {
            section,
            offset,
            subject,
        });
        Ok(None)
    }
}

impl Named {
    /// Answers all magic symbols' calls, except those in code that `edits` cut out; code that must
    /// grow is noted there.
    pub(super) fn answer(&mut self, edits: &mut [Edits]) -> Result<(), Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut questions = HashMap::new();
        for (number, symbol) in self.0.symbols.iter().enumerate() {
            if symbol.place == Place::Undefined
                && let Some(question) = Question::parse(&symbol.name)
            {
                questions.insert(number, question);
            }
        }
        if questions.is_empty() {
            return Ok(());
        }

        let mut all = Collected::default();
        // Externs get their symbols when all are known; these are the numbers they will have.
        let base = self.0.symbols.len();
        for (section, edits) in edits.iter_mut().enumerate() {
            let relocs = std::mem::take(&mut self.0.sections[section].relocs);
            let mut kept = Vec::with_capacity(relocs.len());
            for mut reloc in relocs {
                let Some(question) = questions.get(&reloc.symbol) else {
                    kept.push(reloc);
                    continue;
                };
                let offset = reloc.offset;
                if !edits.keeps(offset) {
                    continue;
                }
                let called = reloc.kind == RelocKind::Call && self.0.sections[section].executable;
                let answer = match question {
                    Err(reason) => Err(malformed(reason)),
                    Ok(_) if !called => Err(Box::new(Diagnostic::error(
                        Code::CORE_SYMBOL,
                        "a CO-RE symbol is used as a value; it can only be called",
                    ))),
                    Ok(question) => all.ask(question.clone(), section, offset),
                };
                match answer {
                    Ok(None) => {}
                    Ok(Some((kind, number))) => {
                        if kind == RelocKind::LdImm64 {
                            edits.widen(offset, build::ld_imm64(0, Imm64::Value(0)));
                        }
                        (reloc.kind, reloc.symbol, reloc.addend) = (kind, base + number, 0);
                        kept.push(reloc);
                    }
                    Err(error) => {
                        let name = &self.0.symbols[reloc.symbol].name;
                        let error = error.note(format!("the symbol is `{name}`"));
                        errors.push(self.locate(error, section, offset));
                    }
                }
            }
            self.0.sections[section].relocs = kept;
        }

        let Collected {
            mut types,
            asked,
            externs,
        } = all;
        for ask in asked {
            if let Err(reason) = self.record(&ask, &mut types, edits) {
                let error = Diagnostic::error(Code::CORE_SYMBOL, reason);
                errors.push(self.locate(error, ask.section, ask.offset));
            }
        }
        for section in &mut self.0.sections {
            section
                .core
                .sort_by_cached_key(|relo| u64::from(relo.insn_off));
        }
        self.add_externs(externs, &mut types, &mut errors);
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Writes the instruction and the record of one question.
    fn record(
        &mut self,
        ask: &Asked,
        types: &mut LocalTypes,
        edits: &mut [Edits],
    ) -> Result<(), String> {
        let btf = &mut self.0.btf;
        let (type_id, access, kind, value, wide) = match &ask.subject {
            Subject::Field {
                kind,
                root,
                access,
                element,
            } => {
                let id = types.make_root(*root, btf);
                let big = self.0.endian == hachi_asm::Endian::Big;
                let field =
                    Field::find(btf, id, access).ok_or("the field's offset is too large")?;
                let value = field.answer(*kind, *element, big)?;
                (id, join(access), *kind as u32, value, false)
            }
            Subject::Type(kind, ty) => {
                let id = self.local_type(*kind, ty, types);
                let value = match kind {
                    TypeKind::Exists | TypeKind::Matches => 1,
                    TypeKind::Size => i64::from(size_of(&self.0.btf, id)),
                    // Filled in when all types have their final numbers.
                    TypeKind::IdLocal | TypeKind::IdTarget => 0,
                };
                let wide = matches!(kind, TypeKind::IdLocal | TypeKind::IdTarget);
                (id, "0".to_owned(), *kind as u32, value, wide)
            }
            Subject::Enum {
                kind,
                root,
                number,
                value,
                wide,
            } => {
                let id = types.make_enum_root(*root, btf);
                let (value, wide) = match kind {
                    EnumKind::Exists => (1, false),
                    EnumKind::Value => (*value, *wide),
                };
                (id, number.to_string(), *kind as u32, value, wide)
            }
        };
        if wide {
            edits[ask.section].widen(ask.offset, build::ld_imm64(0, Imm64::Value(value as u64)));
        } else {
            let insn = build::mov_imm(0, value as i32).encode(self.0.endian);
            let start = ask.offset as usize;
            self.0.sections[ask.section].data[start..start + insn.len()].copy_from_slice(&insn);
        }
        let kind = CoreReloKind::from_number(kind).ok_or("this kind of question is unknown")?;
        self.0.sections[ask.section].core.push(CoreRelo {
            insn_off: ask.offset as u32,
            type_id,
            access: access.into(),
            kind,
        });
        Ok(())
    }

    /// The type a question is about; for its number among the program's own types, the program's.
    fn local_type(&mut self, kind: TypeKind, ty: &TypeExpr, types: &mut LocalTypes) -> u32 {
        let own = self.0.btf.iter().find(|(_, own)| {
            let (same_kind, name) = match ty {
                TypeExpr::Composite { union, name, .. } => match own {
                    Type::Struct(_) => (!union, name.as_ref()),
                    Type::Union(_) => (*union, name.as_ref()),
                    _ => (false, None),
                },
                TypeExpr::Enum { name, .. } => {
                    let same = matches!(own, Type::Enum(_) | Type::Enum64(_));
                    (same, name.as_ref())
                }
                TypeExpr::Typedef(name, _) => (matches!(own, Type::Typedef(_)), Some(name)),
                _ => (false, None),
            };
            // Either by Rust's name or by the one the kernel will see.
            let is = |own: &String| Some(own) == name || Some(&names::readable(own)) == name;
            kind == TypeKind::IdLocal && same_kind && own.name().is_some_and(is)
        });
        match own {
            Some((id, _)) => id,
            None => types.make(ty, &mut self.0.btf),
        }
    }

    /// Declares what the kernel provides by name.
    fn add_externs(
        &mut self,
        externs: Externs,
        types: &mut LocalTypes,
        errors: &mut Vec<Diagnostic>,
    ) {
        let base = self.0.symbols.len();
        for (name, wanted) in externs.in_order() {
            let type_id = types.make(&wanted.ty, &mut self.0.btf);
            let provider = match wanted.kind {
                ExternKind::Kconfig => Provider::Config,
                _ => Provider::Kernel,
            };
            let ty = match wanted.kind {
                ExternKind::Kfunc | ExternKind::KfuncExists => Type::Func(Func {
                    name: name.clone(),
                    type_id,
                    linkage: Linkage::Extern,
                }),
                _ => Type::Var(Var {
                    name: name.clone(),
                    type_id,
                    linkage: Linkage::Extern,
                }),
            };
            debug_assert_eq!(self.0.symbols.len(), base + wanted.number);
            let binding = match wanted.weak {
                true => Binding::Weak,
                false => Binding::Global,
            };
            self.0.symbols.push(Symbol {
                name: name.clone(),
                binding,
                kind: SymbolKind::NoType,
                hidden: false,
                place: Place::Undefined,
                value: 0,
                size: 0,
                object: 0,
                replaced: false,
            });
            let number = self.0.symbols.len() - 1;
            // C objects may declare the same thing; one symbol serves both.
            let known = self.0.symbols[..base]
                .iter()
                .position(|s| s.name == name && s.binding != Binding::Local);
            match known {
                None => {}
                Some(known) if self.0.symbols[known].place == Place::Undefined => {
                    if binding == Binding::Global {
                        self.0.symbols[known].binding = binding;
                    }
                    let relocs = self.0.sections.iter_mut().flat_map(|s| &mut s.relocs);
                    for reloc in relocs.filter(|r| r.symbol == number) {
                        reloc.symbol = known;
                    }
                }
                Some(_) => {
                    errors.push(
                        Diagnostic::error(
                            Code::EXTERN_CONFLICT,
                            format!("`{name}` is asked of the kernel, but the program defines it"),
                        )
                        .help("rename the program's own"),
                    );
                    continue;
                }
            }
            if self.0.externs.iter().any(|e| e.name == name) {
                continue;
            }
            let type_id = self.0.btf.add(ty);
            self.0.externs.push(Extern {
                provider,
                type_id,
                name,
                stays: false,
            });
        }
    }
}

impl Shown {
    /// Puts the final numbers of the program's own types where the program asks for them.
    pub(super) fn fill_local_ids(&mut self) {
        let endian = self.0.endian;
        for section in &mut self.0.sections {
            for relo in &section.core {
                let start = relo.insn_off as usize;
                if relo.kind != CoreReloKind::TypeIdLocal {
                    continue;
                }
                let Some(bytes) = bytes_at::<8>(&section.data, u64::from(relo.insn_off)) else {
                    continue;
                };
                let mut insn = Insn::decode(bytes, endian);
                insn.imm = relo.type_id as i32;
                section.data[start..start + 8].copy_from_slice(&insn.encode(endian));
            }
        }
    }
}

fn malformed(reason: &str) -> Box<Diagnostic> {
    let error = Diagnostic::error(
        Code::CORE_SYMBOL,
        format!("a CO-RE symbol is malformed: {reason}"),
    );
    Box::new(error.help(
        "such symbols are made by bindings; generate them with the `hachi` of the same version as \
         the linker",
    ))
}

fn join(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(u32::to_string).collect();
    texts.join(":")
}

/// A field of a local type, found as a loader finds it.
struct Field<'a> {
    /// From the root's start.
    bit_offset: u64,
    bit_size: u8,
    ty: Option<&'a Type>,
    size: u32,
}

impl<'a> Field<'a> {
    fn find(btf: &'a BtfBuilder, root: u32, access: &[u32]) -> Option<Self> {
        let (index, path) = access.split_first()?;
        let mut bit_offset = u64::from(*index) * u64::from(size_of(btf, root)) * 8;
        let root = match btf.get(root)? {
            Type::Typedef(t) => t.type_id,
            _ => root,
        };
        let (mut id, mut bit_size) = (root, 0);
        for &number in path {
            match btf.get(id)? {
                Type::Struct(t) | Type::Union(t) => {
                    let member = t.members.get(number as usize)?;
                    bit_offset += u64::from(member.bit_offset);
                    (id, bit_size) = (member.type_id, member.bit_size);
                }
                Type::Array(t) => {
                    bit_offset += u64::from(number) * u64::from(size_of(btf, t.type_id)) * 8;
                    (id, bit_size) = (t.type_id, 0);
                }
                _ => return None,
            }
        }
        // A member's offset has 24 bits where bit fields are about, and the instruction has 31.
        (bit_offset / 8 <= i32::MAX as u64).then_some(Field {
            bit_offset,
            bit_size,
            ty: btf.get(id),
            size: size_of(btf, id),
        })
    }

    /// What a loader computes for the local type (libbpf's `bpf_core_calc_field_relo`).
    fn answer(&self, kind: FieldKind, element: bool, big: bool) -> Result<i64, String> {
        let of_element = matches!(
            kind,
            FieldKind::ByteOffset | FieldKind::ByteSize | FieldKind::Exists
        );
        if element && !of_element {
            return Err(
                "only the offset, size and existence of an array's element can be asked for".into(),
            );
        }
        let mut size = u64::from(self.size);
        let mut byte_offset = self.bit_offset / 8;
        let bits = match self.bit_size {
            0 => size * 8,
            bits => {
                let bits = u64::from(bits);
                byte_offset = byte_offset / size * size;
                while self.bit_offset + bits - byte_offset * 8 > size * 8 {
                    if size >= 8 {
                        return Err("the bit field is wider than any load".into());
                    }
                    size *= 2;
                    byte_offset = self.bit_offset / 8 / size * size;
                }
                bits
            }
        };
        let within = self.bit_offset - byte_offset * 8;
        let value = match kind {
            FieldKind::ByteOffset => byte_offset,
            FieldKind::ByteSize => size,
            FieldKind::Exists => 1,
            FieldKind::Signed => match self.ty {
                Some(Type::Int(t)) => t.signed.into(),
                Some(Type::Enum(t)) => t.signed.into(),
                Some(Type::Enum64(t)) => t.signed.into(),
                _ => 0,
            },
            FieldKind::LshiftU64 | FieldKind::RshiftU64 if bits > 64 || size > 8 => {
                return Err("a field of more than 64 bits cannot be shifted into a u64".into());
            }
            FieldKind::LshiftU64 if big => (8 - size) * 8 + within,
            FieldKind::LshiftU64 => 64 - (within + bits),
            FieldKind::RshiftU64 => 64 - bits,
        };
        Ok(value as i64)
    }
}

fn size_of(btf: &BtfBuilder, id: u32) -> u32 {
    hachi_btf::Types::size_of(btf, id).unwrap_or(0)
}

struct Wanted {
    kind: ExternKind,
    weak: bool,
    ty: TypeExpr,
    number: usize,
}

/// What is asked of the kernel by name.
#[derive(Default)]
struct Externs(BTreeMap<String, Wanted>);

impl Externs {
    /// Notes a use, and gives the name's number.
    fn add(
        &mut self,
        kind: ExternKind,
        weak: bool,
        name: &str,
        ty: &TypeExpr,
    ) -> Result<usize, Box<Diagnostic>> {
        let number = self.0.len();
        let known = self.0.entry(name.to_owned()).or_insert_with(|| Wanted {
            kind,
            weak,
            ty: ty.clone(),
            number,
        });
        // Asking whether a function exists says nothing about whether it is necessary.
        known.weak &= weak;
        if same(&known.ty, ty) {
            return Ok(known.number);
        }
        let error = Diagnostic::error(
            Code::EXTERN_CONFLICT,
            format!("`{name}` is declared with two types"),
        )
        .note(format!("here as `{ty}`"))
        .note(format!("and elsewhere as `{}`", known.ty));
        Err(Box::new(error))
    }

    fn in_order(self) -> Vec<(String, Wanted)> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by_cached_key(|(_, wanted)| wanted.number as u64);
        all
    }
}

/// Whether two types are the same, apart from the names of parameters.
fn same(a: &TypeExpr, b: &TypeExpr) -> bool {
    match (a, b) {
        (TypeExpr::Fn(a, x), TypeExpr::Fn(b, y)) => {
            x == y && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.1 == b.1)
        }
        _ => a == b,
    }
}
