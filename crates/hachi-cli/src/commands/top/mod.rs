//! `hachi top`: programs and what they cost, as they run.

mod screen;
mod state;

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use hachi::Held;
use hachi::programs::RunStats;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::commands::link::seen;
use crate::failure::{Failure, Result};
use crate::kernel::{self, Pids};
use crate::output::Output;
use crate::sys::{self, Signals, Waited};
use crate::usage;
use screen::Around;
use state::{Key, State};

/// Watch programs as they run: how often, how long, what share of a CPU
///
/// The kernel counts while this runs, and stops when it ends, however it ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys: s sorts, / filters, Enter shows details, p pauses, q ends.

Examples:
  hachi top
  hachi top --interval 0.5 --filter xdp")]
pub struct Args {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = usage::seconds)]
    interval: Duration,
    /// Only programs whose name or type has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

/// How many looks pass until holders and attachments are asked for again, which takes longer.
const ROUNDS: u32 = 5;

/// More often is no more use, and costs.
const SHORTEST: Duration = Duration::from_millis(50);

pub fn run(args: Args, out: &mut Output) -> Result {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage("hachi top draws on a terminal, and this is none")
                .help("hachi prog stats --json"),
        );
    }
    let failed = |error| Failure::because("waiting for signals", &error);
    let signals = Signals::take(&sys::ENDING).map_err(failed)?;
    // The descriptor goes with the process, and with it the counting.
    let _counting = RunStats::enable().map_err(|error| Failure::because("", &error))?;
    kernel::programs()?;
    out.flush()?;
    let mut terminal =
        ratatui::try_init().map_err(|error| Failure::because("preparing the terminal", &error))?;
    let result = watch(&args, &signals, out.is_coloured(), &mut terminal);
    let restored =
        ratatui::try_restore().map_err(|error| Failure::because("restoring the terminal", &error));
    result.and(restored)
}

fn around(colour: bool) -> Around {
    Around {
        pids: Pids::of(|held| match held {
            Held::Program(id) | Held::Link { program_id: id, .. } => Some(*id),
            Held::Probe(probe) => Some(probe.program_id),
            _ => None,
        }),
        attached: seen::all(),
        colour,
    }
}

fn watch(
    args: &Args,
    signals: &Signals,
    colour: bool,
    terminal: &mut ratatui::DefaultTerminal,
) -> Result {
    let drawing = |error| Failure::because("drawing", &error);
    let interval = args.interval.max(SHORTEST);
    let mut state = State::new();
    state.filter.clone_from(&args.filter);
    let mut known = around(colour);
    let mut rounds = 0;
    loop {
        if !state.paused {
            state.look(&kernel::programs()?, Instant::now());
            rounds += 1;
            if rounds % ROUNDS == 0 {
                known = around(colour);
            }
        }
        let next = Instant::now() + interval;
        loop {
            terminal
                .draw(|frame| screen::draw(frame, &state, &known))
                .map_err(drawing)?;
            let left = next.saturating_duration_since(Instant::now());
            let waiting = |error| Failure::because("waiting for a key", &error);
            let stdin = std::io::stdin();
            match sys::wait_for_data(signals, &[stdin.as_fd()], Some(left)).map_err(waiting)? {
                Waited::TimeOver => break,
                Waited::Signal => return Ok(()),
                Waited::Ready => {}
            }
            // A key may come in parts, of which none is one yet.
            while event::poll(Duration::ZERO).map_err(waiting)? {
                let key = match event::read().map_err(waiting)? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => key,
                    _ => continue,
                };
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                let pressed = match key.code {
                    KeyCode::Char('c') if control => return Ok(()),
                    KeyCode::Up => Key::Up,
                    KeyCode::Down => Key::Down,
                    KeyCode::Enter => Key::Enter,
                    KeyCode::Esc => Key::Escape,
                    KeyCode::Backspace => Key::Backspace,
                    KeyCode::Char(c) => Key::Character(c),
                    _ => continue,
                };
                if !state.press(pressed) {
                    return Ok(());
                }
            }
        }
    }
}
