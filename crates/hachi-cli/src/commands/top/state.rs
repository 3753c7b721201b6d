//! What `hachi top` knows: programs, what they did since the last look, and what is chosen.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use hachi::programs::ProgramInfo;

/// How many looks a sparkline shows.
pub const HISTORY: usize = 60;

/// One program, as it is shown.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: u32,
    pub name: String,
    pub kind: String,
    pub map_ids: Vec<u32>,
    /// In a second, since the last look.
    pub runs: f64,
    /// Of each run since the last look.
    pub nanos: u64,
    /// Of one CPU.
    pub percent: f64,
    /// Per cent at each look, the oldest first.
    pub history: VecDeque<f64>,
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Percent,
    Runs,
    Nanos,
    Name,
    Id,
}

impl Order {
    pub const ALL: [Order; 5] = [
        Order::Percent,
        Order::Runs,
        Order::Nanos,
        Order::Name,
        Order::Id,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Order::Percent => "% CPU",
            Order::Runs => "runs/s",
            Order::Nanos => "ns/run",
            Order::Name => "name",
            Order::Id => "id",
        }
    }

    fn next(self) -> Order {
        let at = Order::ALL
            .iter()
            .position(|order| *order == self)
            .unwrap_or(0);
        Order::ALL[(at + 1) % Order::ALL.len()]
    }
}

/// What a key does, beyond moving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Up,
    Down,
    Enter,
    Escape,
    Backspace,
    Character(char),
}

/// What is on the screen.
#[derive(Debug)]
pub struct State {
    rows: BTreeMap<u32, Row>,
    /// Counts at the last look.
    last: BTreeMap<u32, (u64, Duration)>,
    looked: Option<Instant>,
    pub order: Order,
    pub filter: String,
    /// Whether keys go into the filter.
    pub typing: bool,
    pub paused: bool,
    /// Whether the chosen program has the screen to itself.
    pub detail: bool,
    /// The program that is chosen.
    pub chosen: Option<u32>,
}

impl State {
    pub fn new() -> State {
        State {
            rows: BTreeMap::new(),
            last: BTreeMap::new(),
            looked: None,
            order: Order::Percent,
            filter: String::new(),
            typing: false,
            paused: false,
            detail: false,
            chosen: None,
        }
    }

    /// Takes in what is loaded now.
    pub fn look(&mut self, programs: &[ProgramInfo], now: Instant) {
        let counts = programs.iter().map(|program| Counts {
            id: program.id(),
            name: program.name(),
            kind: program.type_name(),
            map_ids: program.map_ids().to_vec(),
            counted: program.run_stats(),
        });
        self.take(counts.collect(), now);
    }

    fn take(&mut self, programs: Vec<Counts>, now: Instant) {
        let span = self.looked.map_or(0.0, |looked| {
            now.saturating_duration_since(looked).as_secs_f64()
        });
        let mut rows = BTreeMap::new();
        let mut last = BTreeMap::new();
        for program in programs {
            let (runs, time) = program.counted;
            // A program that is new has run only since it was loaded.
            let since = match self.looked {
                Some(_) => (0, Duration::ZERO),
                None => (runs, time),
            };
            let (runs_before, time_before) = self.last.get(&program.id).copied().unwrap_or(since);
            let runs_now = runs.saturating_sub(runs_before);
            let time_now = time.saturating_sub(time_before);
            let per_second = |amount: f64| if span > 0.0 { amount / span } else { 0.0 };
            let percent = 100.0 * per_second(time_now.as_secs_f64());
            let mut history = match self.rows.remove(&program.id) {
                Some(row) => row.history,
                None => VecDeque::new(),
            };
            history.push_back(percent);
            while history.len() > HISTORY {
                history.pop_front();
            }
            let nanos = time_now
                .as_nanos()
                .checked_div(u128::from(runs_now))
                .unwrap_or(0);
            last.insert(program.id, (runs, time));
            rows.insert(
                program.id,
                Row {
                    id: program.id,
                    name: program.name,
                    kind: program.kind,
                    map_ids: program.map_ids,
                    runs: per_second(runs_now as f64),
                    nanos: u64::try_from(nanos).unwrap_or(u64::MAX),
                    percent,
                    history,
                },
            );
        }
        (self.rows, self.last, self.looked) = (rows, last, Some(now));
        let shown = self.shown();
        if self
            .chosen
            .is_none_or(|id| shown.iter().all(|row| row.id != id))
        {
            self.chosen = shown.first().map(|row| row.id);
        }
    }

    /// The rows that pass the filter, in their order.
    pub fn shown(&self) -> Vec<&Row> {
        let wanted = self.filter.to_lowercase();
        let passes = |row: &&Row| {
            row.name.to_lowercase().contains(&wanted)
                || row.kind.contains(&wanted)
                || row.id.to_string() == wanted
        };
        let mut rows: Vec<&Row> = self.rows.values().filter(passes).collect();
        rows.sort_by(|a, b| {
            let order = match self.order {
                Order::Percent => b.percent.total_cmp(&a.percent),
                Order::Runs => b.runs.total_cmp(&a.runs),
                Order::Nanos => b.nanos.cmp(&a.nanos),
                Order::Name => a.name.cmp(&b.name),
                Order::Id => std::cmp::Ordering::Equal,
            };
            order.then(a.id.cmp(&b.id))
        });
        rows
    }

    pub fn chosen(&self) -> Option<&Row> {
        self.rows.get(&self.chosen?)
    }

    /// Does what a key asks for; false when it asks for the end.
    pub fn press(&mut self, key: Key) -> bool {
        if self.typing {
            match key {
                Key::Enter => self.typing = false,
                Key::Escape => {
                    self.typing = false;
                    self.filter.clear();
                }
                Key::Backspace => {
                    self.filter.pop();
                }
                Key::Character(c) if hachi_diag::is_printable(c) => self.filter.push(c),
                _ => {}
            }
            return true;
        }
        match key {
            Key::Character('q') => return false,
            Key::Escape if self.detail => self.detail = false,
            Key::Escape => self.filter.clear(),
            Key::Character('s') => self.order = self.order.next(),
            Key::Character('p' | ' ') => self.paused = !self.paused,
            Key::Character('/') => self.typing = true,
            Key::Character('k') | Key::Up => self.step(false),
            Key::Character('j') | Key::Down => self.step(true),
            Key::Enter => self.detail = self.chosen.is_some() && !self.detail,
            _ => {}
        }
        true
    }

    fn step(&mut self, down: bool) {
        let shown: Vec<u32> = self.shown().iter().map(|row| row.id).collect();
        let at = shown.iter().position(|id| Some(*id) == self.chosen);
        let next = match (at, down) {
            (None, _) => 0,
            (Some(at), true) => (at + 1).min(shown.len().saturating_sub(1)),
            (Some(at), false) => at.saturating_sub(1),
        };
        self.chosen = shown.get(next).copied();
    }
}

/// What the kernel says about one program.
struct Counts {
    id: u32,
    name: String,
    kind: String,
    map_ids: Vec<u32>,
    counted: (u64, Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(id: u32, name: &str, runs: u64, millis: u64) -> Counts {
        Counts {
            id,
            name: name.to_owned(),
            kind: "xdp".to_owned(),
            map_ids: Vec::new(),
            counted: (runs, Duration::from_millis(millis)),
        }
    }

    /// Two programs, looked at twice with two seconds between.
    fn state() -> State {
        let mut state = State::new();
        let start = Instant::now();
        state.take(
            vec![counts(1, "idle", 5, 5), counts(2, "busy", 100, 10)],
            start,
        );
        let later = start + Duration::from_secs(2);
        state.take(
            vec![
                counts(1, "idle", 5, 5),
                counts(2, "busy", 1100, 510),
                counts(3, "new", 4, 1),
            ],
            later,
        );
        state
    }

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let state = state();
        let rows = state.shown();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["busy", "new", "idle"]);
        assert_eq!(rows[0].runs, 500.0);
        assert_eq!(rows[0].nanos, 500_000);
        assert!((rows[0].percent - 25.0).abs() < 1e-9);
        // What ran before anyone looked is not counted; what is new since is.
        assert_eq!((rows[2].runs, rows[2].nanos), (0.0, 0));
        assert_eq!(rows[1].runs, 2.0);
    }

    #[test]
    fn keys_sort_filter_choose_and_end() {
        let mut state = state();
        assert!(state.press(Key::Character('s')) && state.order == Order::Runs);
        assert_eq!(state.chosen, Some(1));
        state.press(Key::Up);
        assert_eq!(state.chosen, Some(3));
        state.press(Key::Down);
        state.press(Key::Down);
        assert_eq!(state.chosen, Some(1));
        state.press(Key::Enter);
        assert!(state.detail);
        state.press(Key::Escape);
        assert!(!state.detail);
        state.press(Key::Character('/'));
        for c in "BUSq\u{1b}".chars() {
            state.press(Key::Character(c));
        }
        assert_eq!(state.filter, "BUSq");
        state.press(Key::Backspace);
        state.press(Key::Enter);
        assert_eq!(state.shown().len(), 1);
        state.press(Key::Character('p'));
        assert!(state.paused);
        assert!(!state.press(Key::Character('q')));
    }
}
