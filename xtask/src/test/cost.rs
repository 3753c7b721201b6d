//! What steps take: time on the clock and of the processors.

use std::fmt;
use std::time::{Duration, Instant};

/// A budget.
pub const fn minutes(number: u64) -> Duration {
    Duration::from_secs(60 * number)
}

/// What a step took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// On the clock.
    pub time: Duration,
    /// Of the processors, for all programs that it ran and that have ended.
    pub processor: Duration,
}

/// Measures a step.
pub struct Meter {
    start: Instant,
    processor: Duration,
}

impl Meter {
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            processor: processor_time(),
        }
    }

    pub fn stop(self) -> Cost {
        Cost {
            time: self.start.elapsed(),
            processor: processor_time().saturating_sub(self.processor),
        }
    }
}

/// As `1 min 23 s (processors: 2 min 1 s)`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (processors: {})",
            text(self.time),
            text(self.processor)
        )
    }
}

fn text(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// What all children that have ended used, with their children, and this process itself.
fn processor_time() -> Duration {
    let mut total = Duration::ZERO;
    for who in [libc::RUSAGE_CHILDREN, libc::RUSAGE_SELF] {
        // SAFETY: all-zero is a valid rusage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: getrusage(2) writes one rusage.
        if unsafe { libc::getrusage(who, &mut usage) } == 0 {
            for time in [usage.ru_utime, usage.ru_stime] {
                total += Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
            }
        }
    }
    total
}

/// What all steps took; shown as a table.
///
/// The days of one machine differ by half, and a step that is slow on a slow day is no fault. So a
/// step may use what the steps before it have left over, up to twice its own budget.
#[derive(Default)]
pub struct Bill {
    rows: Vec<Row>,
    left_over: Duration,
}

struct Row {
    step: &'static str,
    cost: Cost,
    budget: Duration,
    over: bool,
}

impl Bill {
    /// Adds a step, and says whether it is within its budget and what it may use of the others'.
    pub fn add(&mut self, step: &'static str, cost: Cost, budget: Duration) -> bool {
        let allowed = budget + self.left_over.min(2 * budget);
        let over = cost.time > allowed;
        self.left_over = (self.left_over + budget).saturating_sub(cost.time);
        self.rows.push(Row {
            step,
            cost,
            budget,
            over,
        });
        !over
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, time: &str, processor: &str, budget: &str, note: &str| {
            let line = format!("{name:10} {time:>12} {processor:>12} {budget:>8}  {note}");
            writeln!(f, "{}", line.trim_end())
        };
        row("step", "took", "processors", "budget", "")?;
        let mut sum = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for step in &self.rows {
            let (cost, budget) = (step.cost, step.budget);
            let note = match (step.over, cost.time > budget) {
                (true, _) => "over its budget",
                (false, true) => "used what others left over",
                (false, false) => "",
            };
            let minutes = format!("{} min", budget.as_secs() / 60);
            let (time, processor) = (text(cost.time), text(cost.processor));
            row(step.step, &time, &processor, &minutes, note)?;
            sum = (sum.0 + cost.time, sum.1 + cost.processor, sum.2 + budget);
        }
        let minutes = format!("{} min", sum.2.as_secs() / 60);
        row("all", &text(sum.0), &text(sum.1), &minutes, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_over_its_budget_is_named() {
        let mut bill = Bill::default();
        let cost = |seconds| Cost {
            time: Duration::from_secs(seconds),
            processor: Duration::from_secs(2 * seconds),
        };
        assert!(!bill.add("early", cost(61), minutes(1)), "nothing is left");
        assert!(bill.add("quick", cost(3), minutes(1)));
        assert!(bill.add("slow", cost(116), minutes(1)), "57 s are left");
        assert!(!bill.add("slower", cost(62), minutes(1)), "one is left");
        assert!(bill.add("idle", cost(0), minutes(3)));
        assert!(!bill.add("slowest", cost(181), minutes(1)), "twice as much");
        let expected = "\
step               took   processors   budget
early       1 min 01 s  2 min 02 s    1 min  over its budget
quick             3.0 s        6.0 s    1 min
slow        1 min 56 s  3 min 52 s    1 min  used what others left over
slower      1 min 02 s  2 min 04 s    1 min  over its budget
idle              0.0 s        0.0 s    3 min
slowest     3 min 01 s  6 min 02 s    1 min  over its budget
all         7 min 03 s  14 min 06 s    8 min
";
        let shown = bill.to_string();
        let words = |text: &str| -> Vec<Vec<String>> {
            let line = |line: &str| line.split_whitespace().map(str::to_owned).collect();
            text.lines().map(line).collect()
        };
        assert_eq!(words(&shown), words(expected), "{shown}");
    }

    #[test]
    fn the_processors_time_of_children_counts() {
        let meter = Meter::start();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]);
        assert!(command.status().unwrap().success());
        assert!(meter.stop().processor > Duration::ZERO);
    }
}
