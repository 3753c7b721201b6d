//! The statements that a program is made of: each writes itself, with what it needs.

use std::fmt::Write;

use super::{Kind, LONGEST, Program};

impl Program {
    pub(super) fn arithmetic(&mut self) {
        let (name, number, other) = (self.fresh("n"), self.number(), self.number());
        let text = match self.chance.below(5) {
            0 => format!("let {name} = {number}.wrapping_sub({other});"),
            1 => format!("let {name} = {number} / ({other} | 1);"),
            2 => format!("let {name} = ({number} as i32).wrapping_abs() as u32 as u64;"),
            3 => {
                format!("let {name} = ((u128::from({number}) * u128::from({other})) >> 32) as u64;")
            }
            _ => format!("let {name} = {number}.abs_diff({other});"),
        };
        self.line(&text);
        self.numbers.push(name);
    }

    /// An offset that the program computed.
    pub(super) fn offset(&mut self) -> String {
        let base = self.chance.pick(&["", "", "14 + ", "4 + "]).to_owned();
        let offset = match self.chance.below(4) {
            0 => "usize::from(first & 15) * 4".to_owned(),
            1 => self.unknown(),
            _ => {
                let end = [16, 32, 64, 90, 100][self.chance.below(5)];
                self.bounded(end)
            }
        };
        // No sum of both may overflow.
        match base.is_empty() {
            true => offset,
            false => format!("{base}({offset} & 0xffff)"),
        }
    }

    /// A field of the packet at a variable offset.
    pub(super) fn read(&mut self) {
        let (name, offset) = (self.fresh("n"), self.offset());
        let (ty, value) = match self.chance.below(6) {
            0 => ("u8", "u64::from(v)"),
            1 => ("u16", "u64::from(u16::from_be(v))"),
            2 => ("u32", "u64::from(v)"),
            3 => ("u64", "v"),
            4 => ("[u8; 2]", "u64::from(u16::from_be_bytes(v))"),
            _ => (
                "[u8; 6]",
                "v.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b))",
            ),
        };
        match self.chance.below(4) {
            0 => self.line(&format!(
                "let {name} = p.read::<{ty}>({offset}).map(|v| {value})?;"
            )),
            1 => self.line(&format!(
                "let {name} = p.read::<{ty}>({offset}).map_or({}, |v| {value});",
                self.names
            )),
            2 => {
                self.line(&format!("let {name} = match p.read::<{ty}>({offset}) {{"));
                self.line(&format!("    Some(v) => {value},"));
                self.line(&format!("    None => {},", self.names));
                self.line("};");
            }
            _ => {
                self.line(&format!("let mut {name} = 0u64;"));
                self.line(&format!("if let Some(v) = p.read::<{ty}>({offset}) {{"));
                self.line(&format!("    {name} = {value};"));
                self.line("}");
            }
        }
        self.numbers.push(name);
    }

    /// Bytes of the packet one after the other, from a variable offset on.
    pub(super) fn walk(&mut self) {
        let rounds = self.chance.below(10) + 3;
        if !self.spend(rounds, 1) {
            return self.read();
        }
        let (at, offset) = (self.fresh("at"), self.bounded(40));
        self.line(&format!("let mut {at} = {offset};"));
        self.open(&format!("for _ in 0..{rounds} {{"));
        self.line(&format!(
            "let Some(v) = p.read::<u8>({at}) else {{ break }};"
        ));
        if self.chance.below(2) == 0 {
            self.line("if v == 0 {");
            self.line("    break;");
            self.line("}");
        }
        self.mix("u64::from(v)");
        self.line(&format!("{at} += 1;"));
        self.close("}");
    }

    /// Records whose lengths are in the packet.
    pub(super) fn records(&mut self) {
        let rounds = self.chance.below(3) + 2;
        // Each round goes on from several places.
        if !self.spend(rounds * 4, 1) {
            return self.read();
        }
        let (at, start) = (self.fresh("at"), self.chance.below(30));
        let mask = [3, 7, 15, 31][self.chance.below(4)];
        self.line(&format!("let mut {at} = {start}usize;"));
        self.open(&format!("for _ in 0..{rounds} {{"));
        self.line(&format!(
            "let Some([kind, length]) = p.read::<[u8; 2]>({at}) else {{ break }};"
        ));
        self.open(&format!("match kind & {mask} {{"));
        self.line("0 => break,");
        self.line(&format!("1 => {at} += 1,"));
        self.open("_ => {");
        self.mix("u64::from(kind)");
        self.line(&format!("{at} += usize::from(length & {mask}) + 2;"));
        self.close("}");
        self.close("}");
        self.close("}");
    }

    /// A byte of the buffer or of a text at a variable index.
    pub(super) fn index(&mut self) {
        match self.chance.below(5) {
            0 => {
                let index = self.bounded(self.buffer);
                self.mix(&format!("u64::from(buf[{index}])"));
            }
            1 => {
                let index = self.unknown();
                self.mix(&format!("buf.get({index}).map_or(3, |b| u64::from(*b))"));
            }
            2 => {
                let (index, number) = (self.unknown(), self.number());
                self.line(&format!("if let Some(b) = buf.get_mut({index}) {{"));
                self.line(&format!("    *b = b.wrapping_add({number} as u8);"));
                self.line("}");
            }
            3 => {
                let (i, index, number) = (self.fresh("i"), self.unknown(), self.number());
                self.line(&format!("let {i} = {index};"));
                self.line(&format!("if {i} < buf.len() {{"));
                self.line(&format!("    buf[{i}] = {number} as u8;"));
                self.line("}");
            }
            _ => {
                let (slice, index) = (self.slice(), self.unknown());
                self.mix(&format!(
                    "({slice}).get({index}).map_or(5, |b| u64::from(*b))"
                ));
            }
        }
    }

    /// A part of the buffer filled, as far as a number says.
    pub(super) fn fill(&mut self) {
        if !self.spend(self.buffer, 0) {
            return self.arithmetic();
        }
        let (n, number) = (self.fresh("i"), self.number());
        let end = self.bounded(self.buffer);
        self.line(&format!("let {n} = {end};"));
        match self.chance.below(3) {
            0 => self.line(&format!("buf[..{n}].fill({number} as u8);")),
            1 => {
                self.open(&format!("for i in 0..{n} {{"));
                self.line(&format!(
                    "buf[i] = buf[i].wrapping_add({number} as u8) ^ i as u8;"
                ));
                self.close("}");
            }
            _ => {
                self.open(&format!(
                    "for (i, b) in buf[..{n}].iter_mut().enumerate() {{"
                ));
                self.line(&format!("*b = ({number} as u8).wrapping_add(i as u8);"));
                self.close("}");
            }
        }
    }

    /// A text copied into the buffer.
    pub(super) fn copy(&mut self) {
        if !self.spend(LONGEST, 0) {
            return self.arithmetic();
        }
        let slice = match self.texts.as_slice() {
            [] => return self.fill(),
            texts => texts[self.chance.below(texts.len())].clone(),
        };
        let size = self.buffer;
        match self.chance.below(3) {
            0 => {
                let n = self.fresh("i");
                self.line(&format!("let {n} = {slice}.len().min({size});"));
                self.line(&format!("buf[..{n}].copy_from_slice(&{slice}[..{n}]);"));
            }
            1 => {
                self.open(&format!("for (to, from) in buf.iter_mut().zip({slice}) {{"));
                self.line("*to = from.to_ascii_lowercase();");
                self.close("}");
            }
            _ => {
                self.open(&format!(
                    "if let Some(to) = buf.get_mut(..{slice}.len()) {{"
                ));
                self.line(&format!("to.copy_from_slice({slice});"));
                self.close("}");
            }
        }
    }

    /// A part of a text, from here on a text too.
    pub(super) fn cut(&mut self) {
        if !self.spend(self.buffer, 0) {
            return self.arithmetic();
        }
        let slice = self.slice();
        if slice.starts_with("&buf") {
            // The buffer is to be changed again: only what the part holds is kept.
            let name = self.fresh("n");
            self.line(&format!(
                "let {name} = ({slice}).iter().map(|b| u64::from(*b)).sum::<u64>();"
            ));
            return self.numbers.push(name);
        }
        let name = self.fresh("t");
        let n = self.chance.below(12) + 1;
        let mark = self
            .chance
            .pick(&["b'/'", "b' '", "b'='", "b'.'", "0"])
            .to_owned();
        let unknown = self.unknown();
        let text = match self.chance.below(7) {
            0 => format!("{slice}.get({n}..).unwrap_or({slice})"),
            1 => format!("&{slice}[..{slice}.len().min({n})]"),
            2 => format!("{slice}.get(..{unknown}).unwrap_or({slice})"),
            3 if self.spend(LONGEST, 1) => format!(
                "match {slice}.iter().position(|b| *b == {mark}) {{ Some(at) => \
                 &{slice}[..at], None => {slice} }}"
            ),
            4 => format!("{slice}.split_at({slice}.len() / 2).0"),
            5 => format!("{slice}.strip_prefix(b\"GET \").unwrap_or({slice})"),
            _ => format!("{slice}.split_first().map_or({slice}, |(_, rest)| rest)"),
        };
        self.line(&format!("let {name} = {text};"));
        self.texts.push(name);
    }

    pub(super) fn for_range(&mut self) {
        if !self.spend(LONGEST, 0) {
            return self.arithmetic();
        }
        let i = self.fresh("i");
        let end = match self.chance.below(3) {
            0 => format!("{}", self.chance.below(12) + 2),
            1 => self.bounded(16),
            _ => format!("({}).len()", self.slice()),
        };
        self.open(&format!("for {i} in 0..{end} {{"));
        match self.chance.below(4) {
            0 => self.mix(&format!("u64::from(buf[{i} % {}])", self.buffer)),
            1 => {
                let number = self.number();
                self.line(&format!("if let Some(b) = buf.get_mut({i}) {{"));
                self.line(&format!("    *b ^= {number} as u8;"));
                self.line("}");
            }
            2 => {
                let condition = self.condition();
                self.open(&format!("if {condition} {{"));
                self.mix(&format!("{i} as u64"));
                self.close("}");
            }
            _ => {
                let number = self.number();
                self.mix(&format!("{number}.wrapping_mul({i} as u64 + 1)"));
            }
        }
        self.close("}");
    }

    pub(super) fn for_each(&mut self) {
        if !self.spend(LONGEST, 1) {
            return self.arithmetic();
        }
        let slice = self.slice();
        let head = match self.chance.below(5) {
            0 => format!("for v in {slice} {{"),
            1 => format!("for (i, v) in ({slice}).iter().enumerate() {{"),
            2 => format!("for v in ({slice}).iter().rev() {{"),
            3 => format!(
                "for v in ({slice}).iter().take({}) {{",
                self.chance.below(20) + 2
            ),
            _ => format!(
                "for v in ({slice}).iter().skip({}) {{",
                self.chance.below(8)
            ),
        };
        self.open(&head);
        match self.chance.below(4) {
            0 => {
                self.line("if v.is_ascii_digit() {");
                self.line("    acc = acc.wrapping_mul(10).wrapping_add(u64::from(v - b'0'));");
                self.line("}");
            }
            1 => {
                self.line("if *v == b' ' {");
                self.line("    break;");
                self.line("}");
                self.mix("u64::from(*v)");
            }
            _ => self.mix("u64::from(*v)"),
        }
        self.close("}");
    }

    pub(super) fn adapters(&mut self) {
        if !self.spend(LONGEST, 0) {
            return self.arithmetic();
        }
        let (slice, n) = (self.slice(), self.chance.below(120));
        let value = match self.chance.below(11) {
            0 => format!("({slice}).iter().map(|b| u64::from(*b)).sum::<u64>()"),
            1 => format!("({slice}).iter().filter(|b| **b > {n}).count() as u64"),
            2 => format!("({slice}).iter().position(|b| *b == {n}).map_or(9, |at| at as u64)"),
            3 => format!("u64::from(({slice}).iter().any(|b| *b == {n}))"),
            4 => format!("({slice}).iter().max().map_or(1, |b| u64::from(*b))"),
            5 => format!("({slice}).windows(2).filter(|w| w[0] < w[1]).count() as u64"),
            6 => format!(
                "({slice}).chunks(4).map(|c| c.len() as u64 * u64::from(c[0])).sum::<u64>()"
            ),
            7 => format!(
                "({slice}).chunks_exact(2).fold(0, |h: u64, c| h * 3 % 65521 + u64::from(c[1]))"
            ),
            8 => format!("({slice}).iter().zip(&buf).filter(|(a, b)| a == b).count() as u64"),
            9 => format!("({slice}).last().map_or({n}, |b| u64::from(*b))"),
            _ => format!(
                "u64::from(({slice}).starts_with(b\"GET\") || ({slice}).ends_with(b\"so\"))"
            ),
        };
        self.mix(&value);
    }

    pub(super) fn while_(&mut self) {
        let rounds = self.chance.below(7) + 3;
        if !self.spend(rounds, 1) {
            return self.arithmetic();
        }
        let (name, number) = (self.fresh("w"), self.number());
        self.line(&format!("let mut {name} = {number} & 0xffff;"));
        self.line(&format!("let mut rounds_{name} = 0;"));
        self.open(&format!("while {name} != 0 && rounds_{name} < {rounds} {{"));
        match self.chance.below(3) {
            0 => {
                let index = self.buffer;
                self.line(&format!(
                    "buf[rounds_{name} % {index}] = b'0' + ({name} % 10) as u8;"
                ));
            }
            1 => self.mix(&name),
            _ => self.mix(&format!("u64::from(buf[rounds_{name} % {}])", self.buffer)),
        }
        let step = self
            .chance
            .pick(&["/ 10", ">> 1", "/ 3", ">> 2"])
            .to_owned();
        self.line(&format!("{name} = {name} {step};"));
        self.line(&format!("rounds_{name} += 1;"));
        self.close("}");
    }

    pub(super) fn branch(&mut self) {
        let condition = self.condition();
        self.open(&format!("if {condition} {{"));
        self.inner();
        if self.chance.below(2) == 0 {
            self.close("} else {");
            self.depth += 1;
            self.inner();
        }
        self.close("}");
    }

    /// One statement inside another one, no deeper than two.
    pub(super) fn inner(&mut self) {
        let statement = match self.depth {
            0..=2 => self.any(),
            _ => Self::arithmetic,
        };
        self.block(statement);
        let number = self.number();
        self.mix(&number);
    }

    pub(super) fn choice(&mut self) {
        let (number, n) = (self.number(), self.chance.below(5) + 3);
        self.open(&format!("acc = match {number} % {n} {{"));
        for i in 0..n - 1 {
            let value = self.number();
            self.line(&format!("{i} => acc.wrapping_add({value}),"));
        }
        let value = self.number();
        self.line(&format!("_ => {value} ^ acc,"));
        self.close("};");
    }

    /// A `match` on a text.
    pub(super) fn pattern(&mut self) {
        let slice = self.slice();
        self.open(&format!("acc = acc.wrapping_add(match {slice} {{"));
        let arms = [
            "[] => 1,",
            "[a] => u64::from(*a),",
            "[a, b] => u64::from(*a ^ *b),",
            "[b'G', b'E', b'T', rest @ ..] => rest.len() as u64,",
            "[.., b'.', z] => u64::from(*z) + 7,",
            "[a, .., z] if a == z => 1000 + u64::from(*a),",
            "[a, _, c, ..] => u64::from(*a) * 256 + u64::from(*c),",
        ];
        for arm in arms {
            if self.chance.below(2) == 0 {
                self.line(arm);
            }
        }
        self.line("rest => rest.len() as u64 + 3,");
        self.close("});");
    }

    /// Leaves with what there is.
    pub(super) fn leave(&mut self) {
        let condition = self.condition();
        self.open(&format!("if {condition} && acc & 3 == 1 {{"));
        match self.kind {
            Kind::Packet => self.line("return Some(acc);"),
            _ => self.line("return acc;"),
        }
        self.close("}");
    }

    /// A number or bytes in a map of its own.
    pub(super) fn map(&mut self) {
        let name = format!("{}_{}", self.name.to_uppercase(), self.names);
        self.names += 1;
        match self.chance.below(3) {
            0 => {
                writeln!(
                    self.functions,
                    "#[map]\nstatic {name}: Array<u64> = Array::with_max_entries(8, 0);"
                )
                .expect("text");
                let (index, number) = (self.number(), self.number());
                self.line(&format!(
                    "let _ = {name}.set({index} as u32 & 7, {number}, 0);"
                ));
                let index = self.number();
                self.mix(&format!("{name}.get({index} as u32).unwrap_or(2)"));
            }
            1 => {
                writeln!(
                    self.functions,
                    "#[map]\nstatic {name}: HashMap<u32, u64> = HashMap::with_max_entries(64, 0);"
                )
                .expect("text");
                let (key, number) = (self.number(), self.number());
                let k = self.fresh("k");
                self.line(&format!("let {k} = {key} as u32 & 31;"));
                self.line(&format!("let _ = {name}.insert({k}, {number}, 0);"));
                self.mix(&format!("{name}.get({k}).unwrap_or(4)"));
            }
            _ => {
                writeln!(
                    self.functions,
                    "#[map]\nstatic {name}: Array<[u8; 16]> = Array::with_max_entries(1, 0);"
                )
                .expect("text");
                let (index, number) = (self.unknown(), self.number());
                self.open(&format!("if let Some(value) = {name}.get_ptr_mut(0) {{"));
                self.line("// SAFETY: packets come one by one.");
                self.line("let value = unsafe { &mut *value };");
                self.line(&format!("if let Some(b) = value.get_mut({index}) {{"));
                self.line(&format!("    *b = {number} as u8;"));
                self.line("}");
                self.mix("value.iter().map(|b| u64::from(*b)).sum::<u64>()");
                self.close("}");
            }
        }
    }

    /// A call of a function of its own.
    pub(super) fn call(&mut self) {
        let name = format!("{}_f{}", self.name, self.names);
        self.names += 1;
        let n = self.chance.below(100) + 1;
        let (function, call) = match self.chance.below(6) {
            0 => (
                format!(
                    "fn {name}(a: u64, b: u64) -> u64 {{\n    if a > b {{ a - b }} else {{ \
                     (b - a) / {n} }}\n}}\n"
                ),
                format!("{name}({}, {})", self.number(), self.number()),
            ),
            1 => (
                format!(
                    "fn {name}(t: &[u8]) -> u64 {{\n    let mut h = {n};\n    \
                     for b in t {{\n        h = (h ^ u64::from(*b)).wrapping_mul({});\n    \
                     }}\n    h\n}}\n",
                    2 * n + 1
                ),
                format!("{name}({})", self.slice()),
            ),
            2 => (
                format!(
                    "fn {name}(n: u64) -> Option<u64> {{\n    if n % {} == 0 {{\n        \
                     return None;\n    }}\n    Some(n.wrapping_mul({n}))\n}}\n",
                    n % 5 + 2
                ),
                format!("{name}({}).unwrap_or({n})", self.number()),
            ),
            3 => (
                format!(
                    "fn {name}(t: &[u8], at: usize) -> Result<u8, usize> {{\n    \
                     let b = t.get(at).ok_or(at)?;\n    Ok(b.wrapping_add({n}))\n}}\n"
                ),
                format!(
                    "{name}({}, {}).map_or_else(|at| at as u64, u64::from)",
                    self.slice(),
                    self.unknown()
                ),
            ),
            4 => (
                format!(
                    "fn {name}(table: &[u8; {}], from: usize) -> (u64, u8) {{\n    \
                     let part = &table[from % table.len()..];\n    \
                     (part.len() as u64 * {n}, part[0])\n}}\n",
                    self.buffer
                ),
                {
                    let from = self.unknown();
                    format!("u64::from({name}(&buf, {from}).1).wrapping_add({name}(&buf, {n}).0)")
                },
            ),
            _ => (
                format!(
                    "fn {name}(t: &[u8]) -> Option<u64> {{\n    \
                     let (first, rest) = t.split_first()?;\n    \
                     let part = rest.get(..usize::from(first & 15))?;\n    \
                     Some(part.iter().map(|b| u64::from(*b)).sum::<u64>() * {n})\n}}\n"
                ),
                format!("{name}({}).unwrap_or({n})", self.slice()),
            ),
        };
        self.functions += &function;
        self.mix(&call);
    }
}
