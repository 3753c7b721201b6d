//! Types as C that compiles, with the layouts the types have.
//!
//! What is defined where follows from what C asks for: a type contained in another is defined
//! before it, one pointed to needs to be announced only. Names that C would not take (two structs
//! of one name, Rust's `Option<u32>`) are changed. Layouts that C would not choose are made with
//! unnamed bit-fields and attributes.

mod header;
mod layout;
mod names;
mod text;

use std::collections::{HashMap, HashSet};

use crate::view::{too_deep, too_many};
use crate::{Error, Kind, Shape, Type, Types};
pub use header::header;
use layout::Plan;
use names::Names;

/// How deep types may contain each other, so that hostile input comes to an end.
const DEPTH: u32 = 200;
/// How often types may be mentioned in all, for each type there is, for the same reason.
const MENTIONS: u64 = 256;

/// How far the definition of a type has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Unknown,
    /// Announced (`struct x;`), not defined.
    Announced,
    /// What it contains is being defined.
    Open {
        announced: bool,
    },
    Defined,
}

/// Writes C definitions of types, each after what it needs.
///
/// ```
/// # use hachi_btf::{BtfBuilder, Composite, Int, Member, Ptr, Type};
/// let mut btf = BtfBuilder::new();
/// let node = btf.add(Type::Struct(Composite {
///     name: "node".into(),
///     size: 8,
///     members: vec![Member { name: "next".into(), type_id: 2, bit_offset: 0, bit_size: 0 }],
/// }));
/// btf.add(Type::Ptr(Ptr { type_id: node }));
/// let mut c = hachi_btf::print::C::new(&btf);
/// c.define(node)?;
/// assert_eq!(
///     c.into_text(),
///     "struct node;\n\nstruct node {\n\tstruct node *next;\n};\n\n"
/// );
/// # Ok::<(), hachi_btf::Error>(())
/// ```
pub struct C<'t> {
    types: &'t dyn Types,
    out: String,
    states: HashMap<u32, State>,
    plans: HashMap<u32, Plan>,
    names: Names,
    /// Anonymous enums that another type contains, and so writes.
    contained: Option<HashSet<u32>>,
    left: u64,
}

impl<'t> C<'t> {
    /// Nothing written yet.
    pub fn new(types: &'t dyn Types) -> C<'t> {
        C {
            types,
            out: String::new(),
            states: HashMap::new(),
            plans: HashMap::new(),
            names: Names::default(),
            contained: None,
            left: MENTIONS * (u64::from(types.last_id()) + 1024),
        }
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.out
    }

    /// Defines a type and before it all it needs, as far as not done yet. Types that C cannot
    /// define by themselves (pointers, functions) only get what they need.
    ///
    /// # Errors
    /// If a type is malformed, or contains others without end.
    pub fn define(&mut self, id: u32) -> Result<(), Error> {
        self.need_all(id, true)
    }

    /// Defines all types of these ids that have a name, and anonymous enums that nothing contains
    /// (C programs use them for constants).
    ///
    /// # Errors
    /// As [`C::define`].
    pub fn define_all(&mut self, ids: impl IntoIterator<Item = u32>) -> Result<(), Error> {
        for id in ids {
            let shape = self.types.shape(id)?;
            let wanted = match shape.kind {
                Kind::Enum | Kind::Enum64 if shape.name.is_empty() => !self.is_contained(id)?,
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => !shape.name.is_empty(),
                Kind::Typedef | Kind::Fwd => true,
                _ => false,
            };
            if wanted {
                self.define(id)?;
            }
        }
        Ok(())
    }

    fn is_contained(&mut self, id: u32) -> Result<bool, Error> {
        if self.contained.is_none() {
            let mut all = HashSet::new();
            for id in 1..=self.types.last_id() {
                all.extend(self.types.decode(id)?.refs());
            }
            all.retain(|&id| {
                self.types
                    .shape(id)
                    .is_ok_and(|s| matches!(s.kind, Kind::Enum | Kind::Enum64))
            });
            self.contained = Some(all);
        }
        Ok(self.contained.as_ref().is_some_and(|all| all.contains(&id)))
    }

    /// As [`C::need`] for a type that nothing was followed to yet: it is what a fault is told of.
    fn need_all(&mut self, id: u32, whole: bool) -> Result<(), Error> {
        self.need(id, whole, DEPTH).map_err(|error| match error {
            Error::TooDeep { .. } => too_deep(self.types, id),
            Error::TooMany { .. } => too_many(self.types, id),
            error => error,
        })
    }

    /// Sees to it that type `id` can be mentioned, and contained if `whole`.
    fn need(&mut self, id: u32, whole: bool, depth: u32) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or(Error::TooDeep { id })?;
        self.left = self.left.checked_sub(1).ok_or(Error::TooMany { id })?;
        if id == 0 {
            return Ok(());
        }
        let shape = self.types.shape(id)?;
        match shape.kind {
            Kind::Ptr | Kind::Func => self.need(shape.type_id, false, depth),
            // Even a pointer to an array needs to know the elements.
            Kind::Array | Kind::Var => self.need(shape.type_id, true, depth),
            Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag | Kind::DeclTag => {
                self.need(shape.type_id, whole, depth)
            }
            Kind::FuncProto => {
                self.need(shape.type_id, false, depth)?;
                for param in self.types.params(id)? {
                    self.need(param.type_id, false, depth)?;
                }
                Ok(())
            }
            Kind::DataSec => match self.types.decode(id)? {
                Type::DataSec(sec) => sec
                    .vars
                    .iter()
                    .try_for_each(|var| self.need(var.type_id, true, depth)),
                _ => Ok(()),
            },
            Kind::Int | Kind::Float => {
                self.need_number(id, &shape);
                Ok(())
            }
            Kind::Fwd => {
                self.announce(id, &shape);
                Ok(())
            }
            Kind::Typedef => self.need_typedef(id, &shape, whole, depth),
            // Without a name they are written where they are mentioned.
            Kind::Struct | Kind::Union if shape.name.is_empty() => self.need_members(id, depth),
            Kind::Struct | Kind::Union => self.need_composite(id, &shape, whole, depth),
            Kind::Enum | Kind::Enum64 => {
                let written_inside = shape.name.is_empty() && self.is_contained(id)?;
                if self.state(id) != State::Defined && !written_inside {
                    self.states.insert(id, State::Defined);
                    let text = self.enum_text(id, &shape, 0)?;
                    self.out.push_str(&text);
                    self.out.push_str(";\n\n");
                }
                Ok(())
            }
        }
    }

    fn state(&self, id: u32) -> State {
        self.states.get(&id).copied().unwrap_or_default()
    }

    fn need_composite(
        &mut self,
        id: u32,
        shape: &Shape<'_>,
        whole: bool,
        depth: u32,
    ) -> Result<(), Error> {
        match self.state(id) {
            State::Defined => return Ok(()),
            // Contains itself: not C, so whatever comes out will not compile.
            State::Open { .. } if whole => return Ok(()),
            _ if !whole => {
                self.announce(id, shape);
                return Ok(());
            }
            state => {
                let announced = state == State::Announced;
                self.states.insert(id, State::Open { announced });
            }
        }
        self.need_members(id, depth)?;
        self.states.insert(id, State::Defined);
        let tag = self.tag_name(id, shape);
        let text = self.composite_text(id, shape, Some(tag), 0)?;
        self.out.push_str(&text);
        self.out.push_str(";\n\n");
        Ok(())
    }

    fn need_members(&mut self, id: u32, depth: u32) -> Result<(), Error> {
        for member in self.types.members(id)? {
            self.need(member.type_id, true, depth)?;
        }
        Ok(())
    }

    /// `struct x;`, once.
    fn announce(&mut self, id: u32, shape: &Shape<'_>) {
        let next = match self.state(id) {
            State::Unknown => State::Announced,
            State::Open { announced: false } => State::Open { announced: true },
            _ => return,
        };
        self.states.insert(id, next);
        let name = self.tag_name(id, shape);
        self.out.push_str(&name);
        self.out.push_str(";\n\n");
    }

    fn need_typedef(
        &mut self,
        id: u32,
        shape: &Shape<'_>,
        whole: bool,
        depth: u32,
    ) -> Result<(), Error> {
        // What it names may mention it, so an announcement of that has to do at first.
        if self.state(id) == State::Unknown {
            self.states.insert(id, State::Open { announced: false });
            let text = self.typedef_text(id, shape, depth)?;
            self.states.insert(id, State::Defined);
            self.out.push_str(&text);
        }
        match whole {
            true => self.need(shape.type_id, true, depth),
            false => Ok(()),
        }
    }

    fn typedef_text(&mut self, id: u32, shape: &Shape<'_>, depth: u32) -> Result<String, Error> {
        // Old versions of GCC describe this as void.
        if shape.name == "__gnuc_va_list" && shape.type_id == 0 {
            return Ok("typedef __builtin_va_list __gnuc_va_list;\n\n".into());
        }
        self.need(shape.type_id, false, depth)?;
        let name = self.names.ident_of(id, shape.name);
        let declaration = self.declaration(shape.type_id, name, 0)?;
        Ok(format!("typedef {declaration};\n\n"))
    }

    /// Numbers whose names are not C's (`u32` of Rust) become typedefs.
    fn need_number(&mut self, id: u32, shape: &Shape<'_>) {
        if names::is_c_number(shape.name) || self.state(id) == State::Defined {
            return;
        }
        self.states.insert(id, State::Defined);
        let number = match self.types.decode(id) {
            Ok(Type::Int(int)) => names::c_int(&int),
            _ => names::c_float(shape.size),
        };
        let name = self.names.ident_of(id, shape.name);
        self.out.push_str(&format!("typedef {number} {name};\n\n"));
    }
}
