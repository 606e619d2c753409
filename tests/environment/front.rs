//! An address of a server, which can go out and come back while the server works on behind others.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::proxy::{deliver, forward, header, request, write_of};

/// How it is with an address.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// It passes on whatever comes.
    Up,
    /// It passes on so many writes more. What comes then goes out with it: before it is done, or after, so that its
    /// answer is lost.
    GoesOut { writes: usize, done: bool },
    /// Nobody listens there.
    Out,
}

/// One address. It is there until the program ends.
pub(crate) struct Front {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// How many requests were passed on.
    passed: AtomicUsize,
}

impl Front {
    /// An address of the server at a port.
    pub(crate) fn of(server: u16) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared =
            Arc::new(Shared { state: Mutex::new(State::Up), changed: Condvar::new(), passed: AtomicUsize::new(0) });
        let held = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut listener = listener;
            loop {
                let (client, _) = listener.accept().unwrap();
                if *held.state.lock().unwrap() != State::Out {
                    let held = Arc::clone(&held);
                    std::thread::spawn(move || held.serve(&client, server, port));
                    continue;
                }
                // Whoever comes now finds nobody.
                drop((client, listener));
                held.changed.notify_all();
                let state = held.state.lock().unwrap();
                drop(held.changed.wait_while(state, |state| *state == State::Out).unwrap());
                listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            }
        });
        Front { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// It goes out now.
    pub(crate) fn goes_out(&self) {
        self.shared.goes_out(self.port);
    }

    /// It goes out at a write, after so many others: before that is done, or with its answer.
    pub(crate) fn goes_out_after(&self, writes: usize, done: bool) {
        *self.shared.state.lock().unwrap() = State::GoesOut { writes, done };
    }

    /// It comes back.
    pub(crate) fn comes_back(&self) {
        *self.shared.state.lock().unwrap() = State::Up;
        self.shared.changed.notify_all();
        super::wait_for("the address to come back", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// How many requests it passed on since the last question.
    pub(crate) fn passed(&self) -> usize {
        self.shared.passed.swap(0, Ordering::SeqCst)
    }
}

impl Shared {
    fn goes_out(&self, port: u16) {
        *self.state.lock().unwrap() = State::Out;
        // The listener wakes up, and is no more.
        super::wait_for("the address to go out", || TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()));
    }

    fn serve(&self, client: &TcpStream, server: u16, port: u16) -> Option<()> {
        let (head, body) = request(client)?;
        let reads = write_of(&head, header(&head, "x-amz-target").as_deref(), &body).is_none();
        let ends = {
            let mut state = self.state.lock().unwrap();
            match &mut *state {
                State::Out => return client.shutdown(Shutdown::Both).ok(),
                State::GoesOut { writes: 0, done } if !reads => Some(*done),
                State::GoesOut { writes, .. } if !reads => {
                    *writes -= 1;
                    None
                }
                _ => None,
            }
        };
        if let Some(done) = ends {
            if done {
                forward(server, &head, &body)?;
            }
            self.goes_out(port);
            return client.shutdown(Shutdown::Both).ok();
        }
        self.passed.fetch_add(1, Ordering::SeqCst);
        deliver(client, &forward(server, &head, &body)?)
    }
}
