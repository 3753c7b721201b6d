//! Which declarations it takes, in which order, under which names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::fields::{self, Field, Ty};
use super::name::{Ident, Taken};
use super::pattern::{Asked, Constant, Function, Ops, Role};
use crate::{Btf, Error, Types as _};

/// How many enumerators an enum may have that comes along without having been asked for.
const FEW: u32 = 16;

/// Everything that is declared.
pub(super) struct Plan {
    pub types: Vec<Declaration>,
    pub functions: Vec<(Ident, Function)>,
    pub ops: Vec<(Ident, Ops)>,
    pub constants: Vec<(Ident, Constant)>,
    idents: BTreeMap<u32, Ident>,
}

pub(super) struct Declaration {
    pub id: u32,
    pub body: Body,
}

pub(super) enum Body {
    /// Nothing but the name.
    Opaque,
    /// Fields, and how many there are besides.
    Fields(Vec<Field>, usize),
    /// An enum, with its enumerators or without.
    Enum { enumerators: bool },
}

/// Types on the way to a plan.
struct Collector<'a, 'b> {
    btf: &'a Btf<'b>,
    filters: BTreeMap<u32, Option<Vec<String>>>,
    bodies: BTreeMap<u32, Body>,
    /// Types whose fields are wanted, and how far to follow their pointers.
    queue: VecDeque<(u32, u32)>,
    /// How far the pointers of a type have been followed.
    followed: BTreeMap<u32, u32>,
}

impl Plan {
    pub fn new(btf: &Btf<'_>, mut asked: Asked, depth: u32) -> Result<Plan, Error> {
        let types = std::mem::take(&mut asked.types);
        let order: Vec<u32> = types.iter().map(|(id, _)| *id).collect();
        let mut collector = Collector {
            btf,
            filters: types.into_iter().collect(),
            bodies: BTreeMap::new(),
            queue: order.iter().map(|&id| (id, depth)).collect(),
            followed: BTreeMap::new(),
        };
        let members = asked.ops.iter().flat_map(|ops| &ops.functions);
        for function in asked.functions.iter().chain(members) {
            collector.add_function(function, depth)?;
        }
        for field in asked.ops.iter().flat_map(|ops| &ops.data) {
            if let Some(ty) = &field.ty {
                collector.add_needed(ty, depth);
            }
        }
        collector.run()?;
        let bodies = collector.bodies;
        name(btf, order, bodies, asked)
    }

    /// What a declared type is called.
    pub fn ident(&self, id: u32) -> &str {
        self.idents.get(&id).map_or("c_void", |ident| &ident.text)
    }

    /// What a declared type is called, and whether the kernel calls it otherwise.
    pub fn full_ident(&self, id: u32) -> Option<&Ident> {
        self.idents.get(&id)
    }
}

impl Collector<'_, '_> {
    fn run(&mut self) -> Result<(), Error> {
        while let Some((id, depth)) = self.queue.pop_front() {
            if self.followed.get(&id).is_some_and(|&done| done >= depth) {
                continue;
            }
            self.followed.insert(id, depth);
            let filter = self.filters.get(&id);
            let keyword = fields::keyword(self.btf, id)?;
            if keyword == "enum" {
                let few = self.btf.shape(id)?.nelems <= FEW;
                let enumerators = few || filter.is_some();
                self.bodies.insert(id, Body::Enum { enumerators });
                continue;
            }
            let mut all = fields::fields(self.btf, id)?;
            let count = all.len();
            if let Some(Some(patterns)) = filter {
                all.retain(|f| patterns.iter().any(|p| super::matches(p, &f.name)));
            }
            for field in &all {
                if let Some(ty) = &field.ty {
                    self.add_needed(ty, depth);
                }
            }
            let left_out = count - all.len();
            self.bodies.insert(id, Body::Fields(all, left_out));
        }
        Ok(())
    }

    /// Adds what a type refers to.
    fn add_needed(&mut self, ty: &Ty, depth: u32) {
        match ty {
            Ty::Scalar(_) => {}
            Ty::Enum(id) | Ty::Named(id) => self.queue.push_back((*id, depth)),
            Ty::Pointer(id) => match depth.checked_sub(1) {
                Some(depth) => self.queue.push_back((*id, depth)),
                None => {
                    self.bodies.entry(*id).or_insert(Body::Opaque);
                }
            },
            Ty::Anonymous { fields, .. } => {
                for ty in fields.iter().filter_map(|field| field.ty.as_ref()) {
                    self.add_needed(ty, depth);
                }
            }
            Ty::Array(element, _) => self.add_needed(element, depth),
        }
    }

    fn add_function(&mut self, function: &Function, depth: u32) -> Result<(), Error> {
        let result = self.btf.shape(function.proto)?.type_id;
        let params = self.btf.params(function.proto)?;
        let params = params.iter().skip(function.skip).map(|p| p.type_id);
        for id in params.chain([result]) {
            if let Some((ty, _)) = fields::argument(self.btf, id)? {
                self.add_needed(&ty, depth);
            }
        }
        Ok(())
    }
}

/// Gives everything a name, in the order in which it will stand: what was asked for, then what
/// comes along, then what is only named.
fn name(
    btf: &Btf<'_>,
    order: Vec<u32>,
    mut bodies: BTreeMap<u32, Body>,
    asked: Asked,
) -> Result<Plan, Error> {
    let mut rest = Vec::new();
    let ordered: BTreeSet<u32> = order.iter().copied().collect();
    for (&id, body) in &bodies {
        if !ordered.contains(&id) {
            let rank = match body {
                Body::Fields(..) => 0,
                Body::Enum { .. } => 1,
                Body::Opaque => 2,
            };
            rest.push((rank, btf.shape(id)?.name, fields::keyword(btf, id)?, id));
        }
    }
    rest.sort_unstable();
    let ids = order.into_iter().chain(rest.into_iter().map(|r| r.3));

    let mut taken = Taken::default();
    // These first: it is by the name of the trait that the kernel's structure is found.
    let ops = asked.ops.into_iter();
    let ops = ops
        .map(|ops| (Ident::new(&ops.name, &mut taken, ""), ops))
        .collect();
    let mut idents = BTreeMap::new();
    let mut types = Vec::new();
    for id in ids {
        let Some(body) = bodies.remove(&id) else {
            continue;
        };
        let suffix = match fields::keyword(btf, id)? {
            "union" => "_union",
            "typedef" => "_t",
            "enum" => "_enum",
            _ => "_struct",
        };
        idents.insert(
            id,
            type_ident(btf.shape(id)?.name, suffix, &body, &mut taken),
        );
        types.push(Declaration { id, body });
    }
    // Functions to call and constants are values; Rust does not confuse them with types.
    let mut values = Taken::default();
    let functions = asked.functions.into_iter();
    let functions = functions
        .map(|function| {
            let taken = match function.role {
                Role::Kfunc => &mut values,
                _ => &mut taken,
            };
            (Ident::new(&function.name, taken, "_fn"), function)
        })
        .collect();
    let constants = asked.constants.into_iter();
    let constants = constants
        .map(|constant| (Ident::new(&constant.name, &mut values, "_value"), constant))
        .collect();
    Ok(Plan {
        types,
        functions,
        ops,
        constants,
        idents,
    })
}

/// A name that leaves those alone that `kernel_types!` gives to types inside this one.
fn type_ident(name: &str, suffix: &str, body: &Body, taken: &mut Taken) -> Ident {
    loop {
        let ident = Ident::new(name, taken, suffix);
        let mut inner = Vec::new();
        if let Body::Fields(fields, _) = body {
            inner_names(ident.text.trim_start_matches("r#"), fields, &mut inner);
        }
        if inner.iter().all(|name| !taken.contains(name)) {
            taken.extend(inner);
            return ident;
        }
    }
}

fn inner_names(around: &str, fields: &[Field], names: &mut Vec<String>) {
    for field in fields {
        let mut ty = field.ty.as_ref();
        while let Some(Ty::Array(element, _)) = ty {
            ty = Some(element);
        }
        if let Some(Ty::Anonymous { fields, .. }) = ty {
            let name = format!("{around}_{}", field.name);
            inner_names(&name, fields, names);
            names.push(name);
        }
    }
}
