//! Threads that a loaded object owns.

use std::{
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

#[derive(Debug)]
struct Attendant {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The threads of an object. They are told to end, and waited for, when it is dropped.
#[derive(Default)]
pub(crate) struct Staff(Arc<Mutex<Vec<Attendant>>>);

impl fmt::Debug for Staff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Staff")
    }
}

impl Staff {
    pub(crate) fn entrance(&self) -> Attendants {
        Attendants(Arc::downgrade(&self.0))
    }
}

impl Drop for Staff {
    fn drop(&mut self) {
        let Ok(mut attendants) = self.0.lock() else {
            return;
        };
        for attendant in attendants.iter() {
            attendant.stop.store(true, Ordering::Release);
        }
        for attendant in attendants.drain(..) {
            // One that panicked has said so.
            let _ = attendant.thread.join();
        }
    }
}

/// Where an object takes on threads, as long as it is there.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Attendants(Weak<Mutex<Vec<Attendant>>>);

impl Attendants {
    /// Runs `serve` in a thread until it returns, which it is to do once its argument is set. Not
    /// at all when the object is gone, or there can be no thread.
    pub fn spawn(&self, serve: impl FnOnce(&AtomicBool) + Send + 'static) {
        let Some(attendants) = self.0.upgrade() else {
            return;
        };
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::Builder::new()
            .name("aya-log".to_owned())
            .spawn(move || serve(&told));
        match (thread, attendants.lock()) {
            (Ok(thread), Ok(mut attendants)) => attendants.push(Attendant { stop, thread }),
            (Err(error), _) => log::warn!("no thread for the messages of programs: {error}"),
            (Ok(_), Err(_)) => stop.store(true, Ordering::Release),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_end_with_their_object() {
        let staff = Staff::default();
        let entrance = staff.entrance();
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        entrance.spawn(move |stop| {
            while !stop.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(1));
            }
            told.store(true, Ordering::Release);
        });
        drop(staff);
        assert!(ended.load(Ordering::Acquire));
        entrance.spawn(|_| unreachable!("the object is gone"));
    }
}
