//! Programs made by chance, the same each time: a number is a program.
//!
//! They are such as people write: they read a packet at offsets that it says, keep bytes in a
//! buffer on the stack or in a map, cut texts, loop, and call functions. Each has at least one
//! offset or length that is known only at run time, one loop and one call. None can panic (indices
//! are masked, checked or taken by `get`, sums wrap), and all loops have a bound.
//!
//! A verifier follows every way through a program, so what programs may cost is bounded by how
//! they are made: texts and buffers are short, all loops together have `ROUNDS`, and few places
//! leave a number behind that is different on each way (`FORKS`).

mod statements;

use std::fmt::Write;

/// The longest text or buffer.
const LONGEST: usize = 24;

/// How often all loops of a program go round together, besides the one that every program has.
const ROUNDS: usize = 48;

/// How many loops of a program may end early and be followed by what depends on where.
const FORKS: usize = 2;

/// Numbers that look like chance; xorshift.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        // The seeds 1, 2, 3, … differ in all bits.
        let mut chance = Chance((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..4 {
            chance.next();
        }
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Less than `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// The text of a file with the programs from number `first` on.
pub fn file(first: usize, count: usize) -> String {
    let mut functions = String::new();
    let mut programs = String::new();
    for number in first..first + count {
        let program = Program::new(number);
        functions += &program.functions;
        programs += &program.text;
    }
    format!("//! Generated.\n\nuse crate::prelude::*;\n\n{functions}\nprograms! {{\n{programs}}}\n")
}

/// What a program is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Packet,
    Text,
    Bytes,
}

/// A program that is being written.
struct Program {
    chance: Chance,
    name: String,
    kind: Kind,
    /// The functions that it calls, and its maps.
    functions: String,
    text: String,
    depth: usize,
    /// Names of numbers in scope.
    numbers: Vec<String>,
    /// Names of slices of bytes in scope.
    texts: Vec<String>,
    /// The buffer on the stack, `buf`, has as many bytes.
    buffer: usize,
    names: usize,
    /// Rounds that loops may still take,
    rounds: usize,
    /// and how many more may end early.
    forks: usize,
}

/// What a statement is about.
type Statement = fn(&mut Program);

impl Program {
    fn new(number: usize) -> Self {
        let mut chance = Chance::new(number as u64);
        let kind = [
            Kind::Packet,
            Kind::Packet,
            Kind::Text,
            Kind::Text,
            Kind::Bytes,
        ];
        let mut program = Program {
            kind: kind[chance.below(kind.len())],
            buffer: [8, 12, 16, 20, LONGEST][chance.below(5)],
            chance,
            name: format!("g{number:03}"),
            functions: String::new(),
            text: String::new(),
            depth: 1,
            numbers: Vec::new(),
            texts: Vec::new(),
            names: 0,
            rounds: ROUNDS,
            forks: FORKS,
        };
        program.write();
        program
    }

    fn write(&mut self) {
        let (word, name) = match self.kind {
            Kind::Packet => ("packet", "p"),
            Kind::Text => ("text", "t"),
            Kind::Bytes => ("bytes", "b"),
        };
        let title = format!("{word} fn {}({name}) {{", self.name);
        self.open(&title);
        let seed = self.chance.next() >> 40;
        self.begin();
        self.line(&format!("let mut acc = n0.wrapping_add({seed});"));
        self.numbers.push("acc".to_owned());
        let variable: &[Statement] = match self.kind {
            Kind::Packet => &[Self::read, Self::read, Self::walk, Self::records],
            _ => &[Self::cut, Self::index, Self::fill, Self::copy],
        };
        let loops: &[Statement] = &[Self::for_range, Self::for_each, Self::while_];
        let mut statements = vec![
            (variable[self.chance.below(variable.len())], true),
            (loops[self.chance.below(loops.len())], true),
            (Self::call as Statement, true),
        ];
        for _ in 0..2 + self.chance.below(4) {
            let statement = self.any();
            let at = self.chance.below(statements.len() + 1);
            statements.insert(at, (statement, false));
        }
        for (statement, is_needed) in statements {
            if is_needed {
                self.rounds += LONGEST;
                self.forks += 1;
            }
            statement(self);
            if is_needed {
                self.rounds = self.rounds.min(ROUNDS);
                self.forks = self.forks.min(FORKS);
            }
        }
        let last = match self.chance.below(3) {
            0 => "acc ^ u64::from(buf[0])".to_owned(),
            1 => format!("acc.wrapping_add({})", self.number()),
            _ => "buf.iter().fold(acc, |h, b| h.rotate_left(5) ^ u64::from(*b))".to_owned(),
        };
        match self.kind {
            Kind::Packet => self.line(&format!("Some({last})")),
            _ => self.line(&last),
        }
        self.close("}");
        self.text += "\n";
    }

    /// The buffer, the first numbers and a text.
    fn begin(&mut self) {
        let size = self.buffer;
        let fill = self.chance.below(3);
        self.line(&format!("let mut buf = [{fill}u8; {size}];"));
        match self.kind {
            Kind::Packet => {
                let at = self.chance.below(40);
                self.line(&format!("let first = p.read::<u8>({at})?;"));
                self.line("let n0 = u64::from(first);");
                self.numbers.push("n0".to_owned());
                if self.chance.below(2) == 0 {
                    self.line("let length = usize::from(p.read::<u8>(0)?);");
                    self.line(&format!("let bytes = p.read::<[u8; {LONGEST}]>(1)?;"));
                    self.line("let t = bytes.get(..length).unwrap_or(&bytes);");
                    self.texts.push("t".to_owned());
                }
            }
            Kind::Text => {
                self.line(&format!("let t = t.get(..{LONGEST}).unwrap_or(t);"));
                self.line("let n0 = t.first().map_or(t.len() as u64, |b| u64::from(*b));");
                self.numbers.push("n0".to_owned());
                self.texts.push("t".to_owned());
            }
            Kind::Bytes => {
                let at = self.chance.below(60);
                self.line(&format!("let n0 = u64::from(b[{at}]);"));
                self.numbers.push("n0".to_owned());
                let length = self.chance.below(LONGEST - 4) + 4;
                self.line(&format!("let t = &b[..(n0 as usize).min({length})];"));
                self.texts.push("t".to_owned());
            }
        }
    }

    fn any(&mut self) -> Statement {
        let mut all: Vec<Statement> = vec![
            Self::arithmetic,
            Self::arithmetic,
            Self::index,
            Self::index,
            Self::fill,
            Self::copy,
            Self::for_range,
            Self::for_each,
            Self::adapters,
            Self::adapters,
            Self::while_,
            Self::branch,
            Self::branch,
            Self::choice,
            Self::call,
            Self::call,
            Self::map,
            Self::leave,
            Self::cut,
            Self::cut,
            Self::pattern,
        ];
        if self.kind == Kind::Packet {
            all.extend([
                Self::read as Statement,
                Self::read,
                Self::read,
                Self::walk,
                Self::records,
            ]);
        }
        all[self.chance.below(all.len())]
    }

    /// Is there room for a loop? Then it takes it.
    fn spend(&mut self, rounds: usize, forks: usize) -> bool {
        let is_room = self.rounds >= rounds && self.forks >= forks;
        if is_room {
            self.rounds -= rounds;
            self.forks -= forks;
        }
        is_room
    }

    // Text.

    fn line(&mut self, text: &str) {
        writeln!(self.text, "{}{text}", "    ".repeat(self.depth)).expect("a string takes text");
    }

    fn open(&mut self, text: &str) {
        self.line(text);
        self.depth += 1;
    }

    fn close(&mut self, text: &str) {
        self.depth -= 1;
        self.line(text);
    }

    /// Statements in a block, whose names end with it.
    fn block(&mut self, statement: Statement) {
        let (numbers, texts) = (self.numbers.len(), self.texts.len());
        statement(self);
        self.numbers.truncate(numbers);
        self.texts.truncate(texts);
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    // Expressions.

    /// A number of 64 bits.
    fn number(&mut self) -> String {
        let name = self.numbers[self.chance.below(self.numbers.len())].clone();
        let other = self.numbers[self.chance.below(self.numbers.len())].clone();
        let n = self.chance.below(250) + 1;
        match self.chance.below(12) {
            0 => format!("({name} ^ {other})"),
            1 => format!("{name}.wrapping_mul({n})"),
            2 => format!("({name} >> {})", n % 56),
            3 => format!("{name}.rotate_left({})", n % 63),
            4 => format!("({name} / {n})"),
            5 => format!("{name}.saturating_sub({n})"),
            6 => format!("{name}.checked_add({other}).unwrap_or({n})"),
            7 => format!("{name}.min({other})"),
            8 => format!("u64::from({name} as u32)"),
            9 => format!("u64::from({name}.count_ones())"),
            _ => name,
        }
    }

    /// A number as a `usize` of which nothing is known.
    fn unknown(&mut self) -> String {
        let number = self.number();
        match self.chance.below(5) {
            0 => format!("usize::from({number} as u8)"),
            1 => format!("usize::from({number} as u16)"),
            2 => format!("({number} as u32 as usize)"),
            3 => format!("({number} & 0xff) as usize"),
            _ => format!("({number} as usize)"),
        }
    }

    /// A number that is less than `end`, in one of the ways that bounds are made.
    fn bounded(&mut self, end: usize) -> String {
        let number = self.number();
        match self.chance.below(4) {
            0 => format!("({number} % {end}) as usize"),
            1 => format!("({number} as usize).min({})", end - 1),
            2 => format!("usize::from({number} as u8 % {})", end.min(255)),
            _ => format!("({number} & {}) as usize", end.next_power_of_two() / 2 - 1),
        }
    }

    fn condition(&mut self) -> String {
        let (left, n) = (self.number(), self.chance.below(300));
        match self.chance.below(6) {
            0 => format!("{left} > {n}"),
            1 => format!("{left} & {} == 0", 1 << (n % 6)),
            2 => format!("{left} as u8 == {}", n % 256),
            3 => format!("{left} < {}", self.number()),
            4 => format!("({n}..{}).contains(&{left})", n + 200),
            _ => format!("{left} % {} != {}", n % 7 + 2, n % 3),
        }
    }

    /// A slice of bytes of variable length.
    fn slice(&mut self) -> String {
        if self.texts.is_empty() || self.chance.below(4) == 0 {
            let end = self.bounded(self.buffer);
            return format!("&buf[..{end}]");
        }
        self.texts[self.chance.below(self.texts.len())].clone()
    }

    fn mix(&mut self, value: &str) {
        let n = self.chance.below(60) + 1;
        let text = match self.chance.below(5) {
            0 => format!("acc = acc.wrapping_add({value});"),
            1 => format!("acc ^= {value};"),
            2 => format!("acc = acc.rotate_left({n}) ^ {value};"),
            3 => format!(
                "acc = acc.wrapping_mul({}).wrapping_add({value});",
                2 * n + 1
            ),
            _ => format!("acc = ({value}).wrapping_sub(acc);"),
        };
        self.line(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_always_the_same_program() {
        assert_eq!(file(40, 3), file(40, 3));
        assert_ne!(Program::new(1).text, Program::new(2).text);
    }

    #[test]
    fn no_program_has_more_than_a_few_loops() {
        for number in 0..1000 {
            let Program { text, .. } = Program::new(number);
            let loops = text.matches("for ").count() + text.matches("while ").count();
            assert!(loops <= 9, "{text}");
        }
    }

    #[test]
    fn every_program_loops_calls_and_uses_a_variable() {
        for number in 0..1000 {
            let Program {
                text,
                functions,
                name,
                ..
            } = Program::new(number);
            let loops = ["for ", "while ", ".iter()", ".chunks", ".windows", "fill("];
            let all = format!("{functions}{text}");
            assert!(loops.iter().any(|word| all.contains(word)), "{all}");
            assert!(functions.contains(&format!("fn {name}_f")), "{functions}");
            assert!(text.contains(&format!("{name}_f")), "{text}");
            let variable = ["p.read", ".get(", "buf[", "..", ".min("];
            assert!(variable.iter().any(|word| all.contains(word)), "{all}");
        }
    }
}
