//! Nested structures and enums, passed by value.

use crate::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Clone, Copy)]
struct Line {
    from: Point,
    to: Point,
    width: u8,
}

#[derive(Clone, Copy)]
enum Shape {
    Dot(Point),
    Line(Line),
    Box { corner: Point, size: (u16, u16) },
    Nothing,
}

impl core::ops::Add for Point {
    type Output = Point;
    fn add(self, other: Point) -> Point {
        Point {
            x: self.x.wrapping_add(other.x),
            y: self.y.wrapping_add(other.y),
        }
    }
}

impl Shape {
    fn of(x: &[u64; 8]) -> Shape {
        let point = |n: u64| Point { x: n as i16 as i32, y: (n >> 16) as i16 as i32 };
        match x[0] % 4 {
            0 => Shape::Dot(point(x[1])),
            1 => Shape::Line(Line { from: point(x[1]), to: point(x[2]), width: x[3] as u8 }),
            2 => Shape::Box { corner: point(x[1]), size: (x[2] as u16, x[3] as u16) },
            _ => Shape::Nothing,
        }
    }

    fn size(self) -> u64 {
        match self {
            Shape::Dot(_) => 1,
            Shape::Line(Line { from, to, width }) => {
                (from.x.abs_diff(to.x) as u64 + from.y.abs_diff(to.y) as u64) * u64::from(width)
            }
            Shape::Box { size: (w, h), .. } => u64::from(w) * u64::from(h),
            Shape::Nothing => 0,
        }
    }

    fn moved(self, by: Point) -> Shape {
        match self {
            Shape::Dot(at) => Shape::Dot(at + by),
            Shape::Line(line) => Shape::Line(Line { from: line.from + by, ..line }),
            Shape::Box { corner, size } => Shape::Box { corner: corner + by, size },
            Shape::Nothing => Shape::Nothing,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Statistics {
    count: u64,
    sum: u64,
    least: Option<u64>,
    history: [u64; 4],
}

impl Statistics {
    fn with(mut self, n: u64) -> Self {
        self.history[(self.count % 4) as usize] = n;
        self.count += 1;
        self.sum = self.sum.wrapping_add(n);
        self.least = Some(self.least.map_or(n, |least| least.min(n)));
        self
    }
}

programs! {
    words fn size_of_a_shape(x) {
        Shape::of(x).size()
    }

    words fn a_shape_moved_and_measured(x) {
        Shape::of(x).moved(Point { x: x[4] as i8 as i32, y: -3 }).size()
    }

    words fn points_added(x) {
        let sum = x.iter().fold(Point::default(), |sum, n| {
            sum + Point { x: *n as i32, y: (*n >> 32) as i32 }
        });
        u64::from(sum.x as u32) << 32 | u64::from(sum.y as u32)
    }

    words fn statistics_by_value(x) {
        let all = x.iter().fold(Statistics::default(), |s, n| s.with(*n));
        all.sum ^ all.least.unwrap_or(1) ^ all.history[2] ^ all.count
    }

    words fn statistics_of_some(x) {
        let mut all = Statistics::default();
        for n in x {
            if n % 2 == 0 {
                all = all.with(*n);
            }
        }
        match all.least {
            Some(least) => all.sum.wrapping_sub(least),
            None => 8,
        }
    }

    words fn equal_points(x) {
        let at = |i: usize| Point { x: x[i] as i32 & 3, y: x[i + 1] as i32 & 3 };
        (0..7).filter(|i| at(*i) == at(0)).count() as u64
    }

    words fn a_shape_in_an_array(x) {
        let shapes = [Shape::of(x), Shape::Nothing, Shape::Dot(Point { x: 1, y: 2 })];
        shapes[(x[7] % 3) as usize].size()
    }

    words fn swapped_fields(x) {
        let mut line = Line {
            from: Point { x: x[0] as i32, y: x[1] as i32 },
            to: Point { x: x[2] as i32, y: x[3] as i32 },
            width: 1,
        };
        if line.from.x > line.to.x {
            core::mem::swap(&mut line.from, &mut line.to);
        }
        line.from.x as u32 as u64
    }

    text fn a_parsed_header(t) {
        struct Header {
            version: u8,
            flags: u16,
            body: Option<(u8, u8)>,
        }
        fn parse(t: &[u8]) -> Option<Header> {
            let [version, high, low, rest @ ..] = t else { return None };
            let body = match rest {
                [a, b, ..] => Some((*a, *b)),
                _ => None,
            };
            Some(Header { version: *version, flags: u16::from_be_bytes([*high, *low]), body })
        }
        match parse(t) {
            Some(Header { version, flags, body: Some((a, b)) }) => {
                u64::from(version) + u64::from(flags) + u64::from(a ^ b)
            }
            Some(Header { flags, body: None, .. }) => u64::from(flags),
            None => 1,
        }
    }

    words fn a_tree_of_enums(x) {
        #[derive(Clone, Copy)]
        enum Leaf { Number(u64), Negated(u64) }
        #[derive(Clone, Copy)]
        enum Node { One(Leaf), Two(Leaf, Leaf) }
        fn leaf(leaf: Leaf) -> u64 {
            match leaf { Leaf::Number(n) => n, Leaf::Negated(n) => n.wrapping_neg() }
        }
        let make = |n: u64| if n & 1 == 0 { Leaf::Number(n) } else { Leaf::Negated(n) };
        let node = match x[0] & 2 {
            0 => Node::One(make(x[1])),
            _ => Node::Two(make(x[1]), make(x[2])),
        };
        match node { Node::One(a) => leaf(a), Node::Two(a, b) => leaf(a) ^ leaf(b) }
    }

    words fn a_machine_of_states(x) {
        #[derive(Clone, Copy, PartialEq)]
        enum State { Start, Number(u64), Sign { negative: bool }, End }
        let mut state = State::Start;
        for n in x {
            state = match (state, n % 3) {
                (State::Start, 0) => State::Sign { negative: true },
                (State::Start, _) => State::Number(*n),
                (State::Sign { negative: true }, _) => State::Number(n.wrapping_neg()),
                (State::Sign { .. }, _) => State::End,
                (State::Number(m), 1) => State::Number(m.wrapping_add(*n)),
                (State::Number(_), 2) => State::Sign { negative: false },
                (State::Number(_), _) | (State::End, _) => State::End,
            };
        }
        match state {
            State::Number(n) => n,
            State::Sign { negative } => 10 + u64::from(negative),
            State::Start => 1,
            State::End => 2,
        }
    }

    words fn a_tuple_of_tuples(x) {
        let ((a, b), (c, [d, e])) = ((x[0], x[1]), (x[2], [x[3], x[4]]));
        a ^ b.rotate_left(1) ^ c.rotate_left(2) ^ d.rotate_left(3) ^ e.rotate_left(4)
    }
}
