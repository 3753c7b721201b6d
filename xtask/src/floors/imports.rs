//! Who imports whom: the modules of a crate and the files that their paths lead to.
//!
//! A path counts wherever it stands: in a `use`, in code, in the body of a macro. It leads to the
//! file that defines the item, through re-exports. Code for tests alone is left out.

use crate::shell::Result;
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens as _;
use std::collections::{BTreeMap, BTreeSet};
use syn::{Attribute, ImplItem, Item, Meta, Token, TraitItem, UseTree, Visibility};

/// One import, between two files of the crate.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file with the path, relative to the crate's sources.
    pub from: String,
    pub line: usize,
    /// The path as it is written.
    pub path: String,
    /// The file that the path leads to.
    pub to: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The file needs what the other one defines.
    Need,
    /// The file only passes a name on (`pub use`), or names a module with modules of its own, to
    /// reach one of them.
    Mention,
}

/// The imports of a crate. `sources` are its files, by their paths below `src`.
///
/// # Errors
/// Of a file that is not Rust, is missing, or belongs to no module.
pub fn imports(sources: &BTreeMap<String, String>) -> Result<Vec<Import>> {
    let mut tree = Tree {
        sources,
        modules: Vec::new(),
        seen: BTreeSet::new(),
    };
    tree.add_file("lib.rs", None)?;
    if let Some(stray) = sources.keys().find(|path| !tree.seen.contains(*path)) {
        return Err(format!("{stray} belongs to no module").into());
    }
    let mut found = BTreeSet::new();
    for at in 0..tree.modules.len() {
        tree.imports_of(at, &mut found);
    }
    Ok(found.into_iter().collect())
}

struct Tree<'s> {
    sources: &'s BTreeMap<String, String>,
    modules: Vec<Module>,
    /// The files that belong to a module.
    seen: BTreeSet<String>,
}

/// A module: a file, or a part of one.
struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// The names it defines, as far as no macro makes them.
    items: BTreeSet<String>,
    uses: Vec<Use>,
    /// Its code except for `use`.
    code: Vec<TokenStream>,
}

/// One name of a `use`.
#[derive(Clone)]
struct Use {
    /// `None` for `*`.
    name: Option<String>,
    path: Vec<String>,
    line: usize,
    passed_on: bool,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

impl Tree<'_> {
    fn add_file(&mut self, path: &str, parent: Option<usize>) -> Result<usize> {
        let text = self
            .sources
            .get(path)
            .ok_or_else(|| format!("there is no {path}"))?;
        let file = syn::parse_file(text).map_err(|error| {
            let line = error.span().start().line;
            format!("{path}:{line}: {error}")
        })?;
        self.seen.insert(path.to_owned());
        let directory = match path.rsplit_once('/') {
            _ if path == "lib.rs" => String::new(),
            Some((directory, "mod.rs")) => format!("{directory}/"),
            _ => format!("{}/", path.trim_end_matches(".rs")),
        };
        self.add_module(path, parent, file.items, &directory)
    }

    fn add_module(
        &mut self,
        file: &str,
        parent: Option<usize>,
        items: Vec<Item>,
        directory: &str,
    ) -> Result<usize> {
        let at = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            uses: Vec::new(),
            code: Vec::new(),
        });
        for mut item in items {
            if attributes(&item).iter().any(is_for_tests) {
                continue;
            }
            match &mut item {
                Item::Use(of) => {
                    let passed_on = !matches!(of.vis, Visibility::Inherited);
                    let uses = &mut self.modules[at].uses;
                    add_uses(&of.tree, &mut Vec::new(), passed_on, uses);
                    continue;
                }
                Item::Mod(of) => {
                    let name = of.ident.to_string();
                    let child = match of.content.take() {
                        Some((_, items)) => {
                            self.add_module(file, Some(at), items, &format!("{directory}{name}/"))?
                        }
                        None => {
                            let plain = format!("{directory}{name}.rs");
                            let path = match placed_at(&of.attrs) {
                                // From the directory of the file, wherever its modules are.
                                Some(place) => match file.rsplit_once('/') {
                                    Some((beside, _)) => format!("{beside}/{place}"),
                                    None => place,
                                },
                                None if self.sources.contains_key(&plain) => plain,
                                None => format!("{directory}{name}/mod.rs"),
                            };
                            self.add_file(&path, Some(at))?
                        }
                    };
                    self.modules[at].children.insert(name, child);
                    continue;
                }
                Item::Impl(of) => of.items.retain(|item| match item {
                    ImplItem::Fn(of) => !of.attrs.iter().any(is_for_tests),
                    ImplItem::Const(of) => !of.attrs.iter().any(is_for_tests),
                    _ => true,
                }),
                Item::Trait(of) => of.items.retain(|item| match item {
                    TraitItem::Fn(of) => !of.attrs.iter().any(is_for_tests),
                    _ => true,
                }),
                _ => {}
            }
            let module = &mut self.modules[at];
            module.items.extend(name_of(&item));
            module.code.push(item.into_token_stream());
        }
        Ok(at)
    }

    fn imports_of(&self, at: usize, found: &mut BTreeSet<Import>) {
        let module = &self.modules[at];
        let mut add = |line: usize, path: &[String], passed_on: bool| {
            for target in self.resolve(at, path, 0) {
                let (to, is_room) = match target {
                    Target::Module(to) => (to, !self.modules[to].children.is_empty()),
                    Target::Item(to) => (to, false),
                };
                let to = &self.modules[to].file;
                if *to != module.file {
                    found.insert(Import {
                        from: module.file.clone(),
                        line,
                        path: path.join("::"),
                        to: to.clone(),
                        kind: match passed_on || is_room {
                            true => Kind::Mention,
                            false => Kind::Need,
                        },
                    });
                }
            }
        };
        for of in &module.uses {
            add(of.line, &of.path, of.passed_on);
        }
        let mut paths = Vec::new();
        for code in &module.code {
            collect_paths(code.clone(), &mut paths);
        }
        for (line, path) in paths {
            // A name alone is no import, unless it is one that the module passes on.
            let counts = path.len() > 1
                || module
                    .uses
                    .iter()
                    .any(|of| of.passed_on && of.name.as_ref() == path.first());
            if counts {
                add(line, &path, false);
            }
        }
    }

    /// What a path in module `at` leads to; nothing for what is not of this crate.
    fn resolve(&self, at: usize, path: &[String], depth: usize) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else {
            return BTreeSet::new();
        };
        match first.as_str() {
            "crate" => self.walk(0, rest, depth),
            "self" => self.walk(at, rest, depth),
            "super" => {
                let mut at = self.modules[at].parent.unwrap_or(0);
                let mut rest = rest;
                while let Some((first, behind)) = rest.split_first()
                    && first == "super"
                {
                    at = self.modules[at].parent.unwrap_or(0);
                    rest = behind;
                }
                self.walk(at, rest, depth)
            }
            _ => self.look_up(at, first, rest, depth),
        }
    }

    /// Goes on from a module of this crate, where a name that is not found is one that a macro
    /// defines.
    fn walk(&self, at: usize, path: &[String], depth: usize) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else {
            return BTreeSet::from([Target::Module(at)]);
        };
        let module = &self.modules[at];
        let is_import = |of: &Use| of.name.as_deref() == Some(first);
        if module.children.contains_key(first) || module.uses.iter().any(is_import) {
            return self.look_up(at, first, rest, depth);
        }
        let found = self.look_up(at, first, rest, depth);
        match found.is_empty() {
            true => BTreeSet::from([Target::Item(at)]),
            false => found,
        }
    }

    /// A name in the scope of a module, and what is behind it. One name can be a module, a
    /// function and a macro at once.
    fn look_up(&self, at: usize, name: &str, rest: &[String], depth: usize) -> BTreeSet<Target> {
        let module = &self.modules[at];
        let mut found = BTreeSet::new();
        if let Some(child) = module.children.get(name) {
            found.append(&mut self.walk(*child, rest, depth));
            if !rest.is_empty() {
                return found;
            }
        }
        if module.items.contains(name) {
            found.insert(Target::Item(at));
            return found;
        }
        // A `use` can name what the same `use` brings in.
        if depth > 16 {
            return found;
        }
        let named = module.uses.iter();
        for of in named.filter(|of| of.name.as_deref() == Some(name)) {
            if of.path.first().map(String::as_str) == Some(name) && of.path.len() == 1 {
                continue;
            }
            let path: Vec<String> = of.path.iter().chain(rest).cloned().collect();
            found.append(&mut self.resolve(at, &path, depth + 1));
        }
        if found.is_empty() {
            for of in module.uses.iter().filter(|of| of.name.is_none()) {
                for target in self.resolve(at, &of.path, depth + 1) {
                    if let Target::Module(from) = target
                        && from != at
                    {
                        found.append(&mut self.look_up(from, name, rest, depth + 1));
                    }
                }
            }
        }
        found
    }
}

fn add_uses(tree: &UseTree, prefix: &mut Vec<String>, passed_on: bool, uses: &mut Vec<Use>) {
    let mut add = |ident: &syn::Ident, name: &syn::Ident| {
        let mut path = prefix.clone();
        // `use a::{self}` names `a`.
        let name = match (ident == "self", path.last()) {
            (true, Some(last)) if name == ident => last.clone(),
            _ => name.to_string(),
        };
        if ident != "self" || path.is_empty() {
            path.push(ident.to_string());
        }
        uses.push(Use {
            name: Some(name),
            path,
            line: ident.span().start().line,
            passed_on,
        });
    };
    match tree {
        UseTree::Name(of) => add(&of.ident, &of.ident),
        UseTree::Rename(of) => add(&of.ident, &of.rename),
        UseTree::Path(of) => {
            prefix.push(of.ident.to_string());
            add_uses(&of.tree, prefix, passed_on, uses);
            prefix.pop();
        }
        UseTree::Group(of) => {
            for tree in &of.items {
                add_uses(tree, prefix, passed_on, uses);
            }
        }
        UseTree::Glob(of) => uses.push(Use {
            name: None,
            path: prefix.clone(),
            line: of.star_token.spans[0].start().line,
            passed_on,
        }),
    }
}

/// The paths in code, macro bodies included: each with its line.
fn collect_paths(code: TokenStream, paths: &mut Vec<(usize, Vec<String>)>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            // An attribute.
            TokenTree::Punct(of) if of.as_char() == '#' => {
                let next = at + 1 + usize::from(is_punct(tokens.get(at + 1), '!'));
                at = match tokens.get(next) {
                    Some(TokenTree::Group(of)) if of.delimiter() == Delimiter::Bracket => next + 1,
                    _ => next,
                };
            }
            TokenTree::Group(of) => {
                collect_paths(of.stream(), paths);
                at += 1;
            }
            TokenTree::Ident(of) => {
                let line = of.span().start().line;
                let is_member = is_punct(at.checked_sub(1).and_then(|at| tokens.get(at)), '.');
                let is_foreign = at >= 2 && is_separator(&tokens, at - 2);
                let mut path = vec![of.to_string()];
                at += 1;
                while is_separator(&tokens, at) {
                    match tokens.get(at + 2) {
                        Some(TokenTree::Ident(of)) => {
                            path.push(of.to_string());
                            at += 3;
                        }
                        Some(TokenTree::Group(of)) if of.delimiter() == Delimiter::Brace => {
                            collect_group(&path, of.stream(), paths);
                            at += 3;
                            path.clear();
                        }
                        _ => break,
                    }
                }
                if !is_member && !is_foreign && !path.is_empty() {
                    paths.push((line, path));
                }
            }
            _ => at += 1,
        }
    }
}

/// The paths in braces behind a path, as in a `use` inside a function.
fn collect_group(prefix: &[String], group: TokenStream, paths: &mut Vec<(usize, Vec<String>)>) {
    let mut inner = Vec::new();
    collect_paths(group, &mut inner);
    for (line, path) in inner {
        let path = path.into_iter().filter(|name| name != "self");
        paths.push((line, prefix.iter().cloned().chain(path).collect()));
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(of)) if of.as_char() == wanted)
}

/// Whether `::` is at this place.
fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let is_joint = matches!(
        tokens.get(at),
        Some(TokenTree::Punct(of)) if of.as_char() == ':' && of.spacing() == Spacing::Joint
    );
    is_joint && is_punct(tokens.get(at + 1), ':')
}

/// The file that `#[path = "…"]` says a module is in.
fn placed_at(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(of) if of.path.is_ident("path") => match &of.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(place),
                    ..
                }) => Some(place.value()),
                _ => None,
            },
            _ => None,
        })
}

/// Whether an attribute leaves the item out except for tests: `#[test]`, `#[cfg(test)]`,
/// `#[cfg(all(test, …))]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    fn needs_test(meta: &Meta) -> bool {
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(of) if of.path.is_ident("all") || of.path.is_ident("cfg") => of
                .parse_args_with(syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated)
                .is_ok_and(|list| list.iter().any(needs_test)),
            _ => false,
        }
    }
    needs_test(&attribute.meta)
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(of) => &of.attrs,
        Item::Enum(of) => &of.attrs,
        Item::Fn(of) => &of.attrs,
        Item::Impl(of) => &of.attrs,
        Item::Macro(of) => &of.attrs,
        Item::Mod(of) => &of.attrs,
        Item::Static(of) => &of.attrs,
        Item::Struct(of) => &of.attrs,
        Item::Trait(of) => &of.attrs,
        Item::Type(of) => &of.attrs,
        Item::Union(of) => &of.attrs,
        Item::Use(of) => &of.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(of) => &of.ident,
        Item::Enum(of) => &of.ident,
        Item::Fn(of) => &of.sig.ident,
        Item::Macro(of) => of.ident.as_ref()?,
        Item::Static(of) => &of.ident,
        Item::Struct(of) => &of.ident,
        Item::Trait(of) => &of.ident,
        Item::Type(of) => &of.ident,
        Item::Union(of) => &of.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
