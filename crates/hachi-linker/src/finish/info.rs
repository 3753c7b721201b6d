//! Which functions and source lines lie where: for the diagnostics here, and for the kernel's
//! verifier later.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use hachi_btf::ext::LineInfo;
use hachi_btf::{Func, FuncProto, Linkage, Type};

use super::elf::{Binding, Place, Symbol, SymbolKind};
use super::link::{Bound, Unit};
use super::names;
use super::states::{Linked, Needed};
use crate::{Diagnostic, Span};

impl Unit {
    /// Says where something is, as well as the debug information tells.
    pub(super) fn locate(&self, diagnostic: Diagnostic, section: usize, offset: u64) -> Diagnostic {
        let holder = self.symbols.iter().filter(|symbol| {
            let end = symbol.value.saturating_add(symbol.size.max(1));
            symbol.place == Place::In(section)
                && symbol.kind != SymbolKind::Section
                && (symbol.value..end).contains(&offset)
        });
        let Some(holder) = holder.max_by_key(|symbol| symbol.kind == SymbolKind::Func) else {
            return diagnostic;
        };
        let name = names::display(&holder.name);
        if holder.kind != SymbolKind::Func {
            return diagnostic.note(format!("in the static `{name}`"));
        }
        let diagnostic = diagnostic.in_function(name);
        let lines = &self.sections[section].lines;
        let after = lines.partition_point(|line| u64::from(line.insn_off) <= offset);
        match lines[..after].last() {
            Some(line) if u64::from(line.insn_off) >= holder.value => {
                let place = Span::new(&*line.file, line.line, line.column);
                diagnostic.at(place.with_text(&*line.text))
            }
            _ => diagnostic,
        }
    }

    /// All functions, ordered by place; where several share one, visible ones come first.
    pub(super) fn functions(&self) -> Vec<usize> {
        let mut functions: Vec<usize> = (0..self.symbols.len())
            .filter(|&i| {
                let symbol = &self.symbols[i];
                let code = matches!(symbol.place, Place::In(s) if self.sections[s].executable);
                code && symbol.kind == SymbolKind::Func
            })
            .collect();
        functions.sort_by_key(|&i| {
            let symbol = &self.symbols[i];
            let Place::In(section) = symbol.place else {
                return (0, 0, false);
            };
            (section, symbol.value, symbol.binding == Binding::Local)
        });
        functions
    }
}

impl Linked {
    /// Replaces absolute paths of the building machine by what a reader expects.
    pub(super) fn shorten_files(&mut self, package: Option<&Path>) {
        let package = package.and_then(Path::to_str);
        self.shorten_frames(package);
        let mut short: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for line in self.0.sections.iter_mut().flat_map(|s| &mut s.lines) {
            let file = short
                .entry(line.file.clone())
                .or_insert_with_key(|file| shorten(file, package).into());
            line.file = file.clone();
        }
    }
}

impl Needed {
    /// Names functions as people do, and gives each the FUNC and the first line that the kernel
    /// demands.
    ///
    /// Functions that other objects or user space see keep their names.
    pub(super) fn name_functions(&mut self) {
        self.show_programs();
        let mut taken: HashSet<String> = self
            .0
            .symbols
            .iter()
            .filter(|s| s.binding != Binding::Local || s.place == Place::Undefined)
            .map(|s| s.name.clone())
            .collect();
        let mut described: HashMap<(usize, u64), u32> = HashMap::new();
        for bound in std::mem::take(&mut self.0.funcs) {
            let symbol = &self.0.symbols[bound.symbol];
            if let Place::In(section) = symbol.place {
                described
                    .entry((section, symbol.value))
                    .or_insert(bound.type_id);
            }
        }
        // Of several names for one place one is described.
        let mut starts = HashSet::new();
        for symbol in self.functions() {
            let Place::In(section) = self.0.symbols[symbol].place else {
                continue;
            };
            let place = (section, self.0.symbols[symbol].value);
            let known = match described.get(&place).map(|id| (*id, self.0.btf.get(*id))) {
                Some((id, Some(Type::Func(func)))) => Some((id, func.clone())),
                _ => None,
            };
            let debug = known.as_ref().map_or("", |(_, func)| &func.name);
            let name = self.function_name(symbol, debug, &taken);
            taken.insert(name.clone());
            self.0.symbols[symbol].name = name;
            if starts.insert(place) {
                let type_id = self.describe_function(symbol, section, known);
                self.0.funcs.push(Bound { type_id, symbol });
            }
        }
    }

    /// The FUNC of a function: the one debug information has, put right, or a new one.
    fn describe_function(
        &mut self,
        symbol: usize,
        section: usize,
        known: Option<(u32, Func)>,
    ) -> u32 {
        let signature = known.as_ref().map(|(_, func)| func.type_id);
        let is_proto = |id: &u32| matches!(self.0.btf.get(*id), Some(Type::FuncProto(_)));
        let signature = signature.filter(is_proto);
        let symbol = &self.0.symbols[symbol];
        // The kernel verifies global functions by their signature alone. One that has none, because
        // there are only line tables or it is assembly, must count as static and be verified with
        // its callers.
        let linkage = match (symbol.binding, signature) {
            (Binding::Local, _) => Linkage::Static,
            (_, None) if self.0.sections[section].name == ".text" => Linkage::Static,
            _ if symbol.hidden => Linkage::Static,
            _ => Linkage::Global,
        };
        let name = symbol.name.clone();
        let type_id = signature.unwrap_or_else(|| {
            self.0.btf.add(Type::FuncProto(FuncProto {
                ret_type_id: 0,
                params: Vec::new(),
            }))
        });
        let func = Type::Func(Func {
            name,
            type_id,
            linkage,
        });
        // Two functions may share a FUNC when one is a copy of the other.
        let free = |id: &u32| self.0.funcs.iter().all(|bound| bound.type_id != *id);
        let own = known.map(|(id, _)| id).filter(free);
        match own.and_then(|id| Some((id, self.0.btf.get_mut(id)?))) {
            Some((id, ty)) => {
                *ty = func;
                id
            }
            None => self.0.btf.add(func),
        }
    }

    /// Programs are what lies outside `.text`; loaders see none that are local.
    fn show_programs(&mut self) {
        for symbol in &mut self.0.symbols {
            if let Place::In(section) = symbol.place
                && symbol.kind == SymbolKind::Func
                && symbol.binding == Binding::Local
                && self.0.sections[section].executable
                && self.0.sections[section].name != ".text"
                && !symbol.replaced
            {
                let path = names::display(&symbol.name);
                let last = names::segments(&path).last().copied().unwrap_or(&path);
                symbol.name = names::readable(last);
                symbol.binding = Binding::Global;
            }
        }
    }

    fn function_name(&self, symbol: usize, debug: &str, taken: &HashSet<String>) -> String {
        let Symbol { name, binding, .. } = &self.0.symbols[symbol];
        if *binding != Binding::Local {
            return match names::is_valid(name) {
                true => name.clone(),
                false => names::readable(name),
            };
        }
        let path = names::display(name);
        let short = names::function(&path, debug);
        let short = if short.is_empty() {
            "function".to_owned()
        } else {
            short
        };
        if !taken.contains(&short) {
            return short;
        }
        // Namesakes of other modules are distinguished by their modules, and copies by numbers.
        let mut outer: Vec<&str> = names::segments(&path);
        outer.pop();
        let mut longer = short.clone();
        while let Some(module) = outer.pop() {
            let module = names::readable(module);
            if module.is_empty() || longer.starts_with(&module) {
                continue;
            }
            longer = names::capped(format!("{module}_{longer}"));
            if !taken.contains(&longer) {
                return longer;
            }
        }
        (2..)
            .map(|n| names::capped(format!("{short}_{n}")))
            .find(|name| !taken.contains(name))
            .unwrap_or(short)
    }

    /// Cleans the line information: one record for an instruction, no repetitions, and one at the
    /// start of every function, without which the kernel refuses the program.
    pub(super) fn finish_lines(&mut self) {
        let mut starts: HashMap<usize, Vec<(u64, String)>> = HashMap::new();
        for bound in &self.0.funcs {
            let symbol = &self.0.symbols[bound.symbol];
            if let Place::In(section) = symbol.place {
                let list = starts.entry(section).or_default();
                list.push((symbol.value, symbol.name.clone()));
            }
        }
        for (index, section) in self.0.sections.iter_mut().enumerate() {
            let Some(starts) = starts.get(&index) else {
                section.lines.clear();
                continue;
            };
            let old = std::mem::take(&mut section.lines);
            let mut new: Vec<LineInfo> = Vec::with_capacity(old.len());
            for (i, (start, name)) in starts.iter().enumerate() {
                let end = starts.get(i + 1).map_or(section.size, |next| next.0);
                let first = old.partition_point(|line| u64::from(line.insn_off) < *start);
                let last = old.partition_point(|line| u64::from(line.insn_off) < end);
                let own = &old[first..last];
                if own
                    .first()
                    .is_none_or(|line| u64::from(line.insn_off) > *start)
                {
                    new.push(LineInfo {
                        insn_off: *start as u32,
                        ..match own.first() {
                            Some(line) => line.clone(),
                            None => LineInfo {
                                insn_off: 0,
                                file: "(no debug information)".into(),
                                text: name.as_str().into(),
                                line: 0,
                                column: 0,
                            },
                        }
                    });
                }
                for line in own {
                    let Some(previous) = new.last_mut() else {
                        new.push(line.clone());
                        continue;
                    };
                    let here = line.insn_off;
                    if previous.insn_off == here {
                        *previous = line.clone();
                    } else if u64::from(here) == *start || !same_line(previous, line) {
                        new.push(line.clone());
                    }
                }
            }
            section.lines = new;
        }
    }
}

fn same_line(a: &LineInfo, b: &LineInfo) -> bool {
    (a.line, a.column) == (b.line, b.column) && a.file == b.file && a.text == b.text
}

/// A file name as a reader expects it: relative to the package; below `core/src` for the standard
/// library's; starting with the package's directory for other packages.
pub(super) fn shorten(file: &str, package: Option<&str>) -> String {
    let file = file.replace("/./", "/");
    if let Some(rest) = package.and_then(|package| file.strip_prefix(package))
        && let Some(rest) = rest.strip_prefix('/')
    {
        return rest.to_owned();
    }
    if !file.starts_with('/') {
        return file;
    }
    if let Some(at) = file.rfind("/library/") {
        let rest = &file[at + "/library/".len()..];
        let of_std = [
            "core/",
            "alloc/",
            "compiler-builtins/",
            "compiler_builtins/",
            "std/",
            "portable-simd/",
            "stdarch/",
        ];
        if of_std.iter().any(|name| rest.starts_with(name)) {
            return rest.to_owned();
        }
    }
    // `…/name-1.2.3/src/lib.rs`: from the directory of the package on.
    for inside in ["/src/", "/examples/", "/tests/", "/benches/"] {
        if let Some(at) = file.rfind(inside) {
            let directory = file[..at].rfind('/').map_or(0, |slash| slash + 1);
            return file[directory..].to_owned();
        }
    }
    // A file outside any package: its directory tells enough.
    let mut parts = file.rsplitn(3, '/');
    match (parts.next(), parts.next()) {
        (Some(name), Some(directory)) if !directory.is_empty() => format!("{directory}/{name}"),
        _ => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_for_readers() {
        let package = Some("/home/me/fw/fw-ebpf");
        for (file, short) in [
            ("/home/me/fw/fw-ebpf/src/main.rs", "src/main.rs"),
            ("/home/me/fw/fw-ebpf/./src/main.rs", "src/main.rs"),
            ("/home/me/fw/fw-common/src/lib.rs", "fw-common/src/lib.rs"),
            ("src/main.rs", "src/main.rs"),
            (
                "/rustc/0123abcd/library/core/src/num/mod.rs",
                "core/src/num/mod.rs",
            ),
            (
                "/usr/src/rustc-1.95.0/library/core/src/option.rs",
                "core/src/option.rs",
            ),
            (
                "/home/me/.cargo/registry/src/index.example-1949cf8c6b5b557f/\
                 network-types-0.1.0/src/eth.rs",
                "network-types-0.1.0/src/eth.rs",
            ),
            ("/home/me/src/fw/src/main.rs", "fw/src/main.rs"),
            ("/tmp/one.rs", "tmp/one.rs"),
            ("/one.rs", "/one.rs"),
        ] {
            assert_eq!(shorten(file, package), short);
        }
    }
}
