//! Signals at any moment.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hachi_test::{Guarded, require_bpf};

use crate::state::Place;
use crate::{Random, factor};

const SIGNALS: [i32; 6] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGPIPE,
    libc::SIGKILL,
];

/// Runs the command in a new place again and again, and sends it a signal at another moment of its
/// life each time.
fn at_any_moment(name: &str, pins: bool, after: impl Fn(&Place)) {
    require_bpf!();
    let place = Place::new();
    let started = Instant::now();
    crate::support::run(&mut place.run_for("0.02", pins)).code(0);
    let life = started.elapsed();
    if pins {
        place.undo().code(0);
    }
    let mut random = Random::of(name);
    for run in 0..60 * factor().min(10) {
        let place = Place::new();
        // It goes on for a moment, so that signals also come while it waits.
        let mut command = place.run_for("0.02", pins);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let signal = SIGNALS[run % SIGNALS.len()];
        let moment = life.mul_f64(random.below(1500) as f64 / 1000.0);
        let running = Guarded::spawn(&mut command).unwrap();
        std::thread::sleep(moment);
        // SAFETY: a child of ours that has not been waited for.
        unsafe { libc::kill(running.id() as i32, signal) };
        let (status, said) = running.wait(Duration::from_secs(20)).unwrap();
        // Before it has taken the signals over, they end it; there is nothing to undo then.
        let by_signal = status.signal() == Some(signal);
        assert!(
            by_signal || status.success(),
            "signal {signal}: {status}: {said}"
        );
        after(&place);
    }
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn a_signal_at_any_moment_leaves_nothing_attached() {
    at_any_moment("signals, run", false, |place| place.has_attached(0));
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn a_signal_at_any_moment_leaves_all_pins_or_none() {
    at_any_moment("signals, run --pin", true, Place::is_whole_or_named);
}
