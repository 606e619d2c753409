//! A proxy between a provider and the server that stands for AWS. It counts writes, and when one of them is done, and
//! before the answer is delivered, it kills a process, or holds the answer back. Or it says that there were too many
//! calls, as each service of AWS says it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::wait_for;

/// What was seen, and what shall happen.
#[derive(Default)]
struct Watch {
    writes: usize,
    /// At which write to kill whom.
    kill: Option<(usize, u32, Whom)>,
    /// The write that it was killed at.
    killed_at: String,
    /// The write whose answer to hold back, and which one it was, once it is done.
    hold: Option<(usize, Option<String>)>,
    /// How many calls there were.
    calls: usize,
    throttle: Throttled,
}

/// Which calls are too many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throttle {
    /// Each call of so many.
    pub(crate) every: usize,
    /// How often it is refused, when it is made again.
    pub(crate) times: usize,
    /// Whether the same call may be too many again later.
    pub(crate) again: bool,
}

/// What was refused for being too much.
#[derive(Default)]
struct Throttled {
    rule: Option<Throttle>,
    /// Calls, but for those that are made again.
    counted: usize,
    /// By call, how often it is still to be refused.
    left: BTreeMap<Vec<u8>, usize>,
    refused: usize,
}

impl Throttled {
    /// Whether this call is one too many.
    fn refuses(&mut self, call: &[u8]) -> bool {
        let Some(rule) = self.rule else { return false };
        let known = self.left.get_mut(call);
        let was_refused = known.is_some();
        let refused = match known {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => {
                self.counted += 1;
                let refused = self.counted.is_multiple_of(rule.every) && (rule.again || !was_refused);
                if refused {
                    self.left.insert(call.to_owned(), rule.times - 1);
                }
                refused
            }
        };
        self.refused += usize::from(refused);
        refused
    }
}

/// What a service says of too many calls: how it is known, the status, the body.
const TOO_MANY: [(&str, &str, &str); 4] = [
    ("X-Amz-Target", "400 Bad Request", r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#),
    (
        "Version=2016-11-15",
        "503 Service Unavailable",
        "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error>\
         </Errors><RequestID>r</RequestID></Response>",
    ),
    (
        "Action=",
        "400 Bad Request",
        "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>",
    ),
    ("", "503 Slow Down", "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"),
];

/// The answer to a call too many.
fn too_many(call: &str) -> String {
    let (_, status, body) = TOO_MANY.iter().find(|(part, ..)| call.contains(part)).unwrap();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nx-amzn-RequestId: r\r\nConnection: close\r\n\r\n{body}")
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Whom {
    /// The process alone; what it started is left to the kernel.
    Alone,
    /// The process with all that it started, at once.
    Family,
}

impl Whom {
    /// Kills, and does not wait.
    fn kill(self, pid: u32) {
        let mut all = vec![pid];
        if self == Whom::Family {
            all.extend(descendants(pid));
        }
        let all = all.iter().map(ToString::to_string);
        let killed = std::process::Command::new("kill").arg("-9").args(all).output().unwrap();
        // What dies with its parent may be gone by then: it is told as no such process.
        let told = String::from_utf8_lossy(&killed.stderr);
        assert!(killed.status.success() || told.contains("No such process"), "{told}");
    }
}

/// What a process started, and what that started.
fn descendants(of: u32) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let names = fs_err::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes: Vec<(u32, u32)> =
        names.filter_map(|name| name.parse().ok()).filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(of) = found.get(next).copied() {
        found.extend(processes.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// One proxy. It serves until the program ends.
pub(crate) struct Proxy {
    port: u16,
    watch: Arc<Mutex<Watch>>,
}

impl Proxy {
    /// Starts one before the server at a port.
    pub(crate) fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let watch = Arc::new(Mutex::new(Watch::default()));
        let shared = Arc::clone(&watch);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let watch = Arc::clone(&shared);
                std::thread::spawn(move || while serve(&client, server, &watch).is_some() {});
            }
        });
        Proxy { port, watch }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many writes there were since the last question.
    pub(crate) fn writes(&self) -> usize {
        std::mem::take(&mut self.watch.lock().unwrap().writes)
    }

    /// Kills a process when the `n`-th write from now on is done.
    pub(crate) fn kill_at(&self, n: usize, pid: u32, whom: Whom) {
        let mut watch = self.watch.lock().unwrap();
        (watch.writes, watch.kill) = (0, Some((n, pid, whom)));
    }

    /// Holds back the answer to the `n`-th write from now on.
    pub(crate) fn hold(&self, n: usize) {
        let mut watch = self.watch.lock().unwrap();
        (watch.writes, watch.hold) = (0, Some((n, None)));
    }

    /// The write that is done, and whose answer is held back.
    pub(crate) fn held(&self) -> Option<String> {
        self.watch.lock().unwrap().hold.as_ref()?.1.clone()
    }

    /// Delivers what is held back, if somebody still waits for it, and holds nothing any more.
    pub(crate) fn release(&self) {
        self.watch.lock().unwrap().hold = None;
    }

    /// Refuses calls from now on, or no more. Begins to count anew.
    pub(crate) fn throttle(&self, rule: Option<Throttle>) {
        let mut watch = self.watch.lock().unwrap();
        (watch.calls, watch.throttle) = (0, Throttled { rule, ..Throttled::default() });
    }

    /// How many calls there were since it was said what to refuse, and how many of them were refused.
    pub(crate) fn calls(&self) -> (usize, usize) {
        let watch = self.watch.lock().unwrap();
        (watch.calls, watch.throttle.refused)
    }

    /// Kills nobody any more. Returns the write that it killed at.
    pub(crate) fn let_be(&self) -> String {
        let mut watch = self.watch.lock().unwrap();
        watch.kill = None;
        watch.writes = 0;
        std::mem::take(&mut watch.killed_at)
    }
}

/// The head and the body of a request; `None` when there is nothing more to come.
pub(super) fn request(client: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(client);
    let mut head = Vec::new();
    loop {
        let from = head.len();
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
        if matches!(&head[from..], b"\r\n") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if header(&text, "expect").is_some() {
        (&mut &*client).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = header(&text, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((text, body))
}

pub(super) fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// Passes a request on, and returns the whole answer.
pub(super) fn forward(server: u16, head: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).ok()?;
    let own = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("expect")
    };
    let forwarded: String = head.trim_end().lines().filter(own).map(|line| format!("{line}\r\n")).collect();
    upstream.write_all(format!("{forwarded}Connection: close\r\n\r\n").as_bytes()).ok()?;
    upstream.write_all(body).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

/// Delivers an answer. The server closes after each, and has said so.
pub(super) fn deliver(client: &TcpStream, answer: &[u8]) -> Option<()> {
    (&mut &*client).write_all(answer).ok()?;
    client.shutdown(Shutdown::Both).ok()
}

/// One request and its answer; `None` when there is nothing more to come.
fn serve(client: &TcpStream, server: u16, shared: &Mutex<Watch>) -> Option<()> {
    let (text, body) = request(client)?;
    let target = header(&text, "x-amz-target").unwrap_or_default();
    let mut call = format!("{} {target}\n", text.lines().next().unwrap_or_default()).into_bytes();
    call.extend(&body);
    let refused = {
        let mut watch = shared.lock().unwrap();
        watch.calls += 1;
        watch.throttle.refuses(&call)
    };
    if refused {
        let whole = format!("{text}{}", String::from_utf8_lossy(&body));
        (&mut &*client).write_all(too_many(&whole).as_bytes()).ok()?;
        let _ = client.shutdown(Shutdown::Both);
        return None;
    }
    let answer = forward(server, &text, &body)?;

    if let Some(name) = write_of(&text, header(&text, "x-amz-target").as_deref(), &body) {
        let mut watch = shared.lock().unwrap();
        watch.writes += 1;
        if let Some((_, pid, whom)) = watch.kill.filter(|(n, ..)| *n == watch.writes) {
            whom.kill(pid);
            watch.killed_at = name;
            return None;
        }
        let writes = watch.writes;
        if let Some((_, held)) = watch.hold.as_mut().filter(|(n, _)| *n == writes) {
            *held = Some(name);
            drop(watch);
            wait_for("the answer to be let go", || shared.lock().unwrap().hold.is_none().then_some(()));
        }
    }
    let _ = deliver(client, &answer);
    None
}

/// What a request writes; `None` when it only reads.
pub(super) fn write_of(head: &str, target: Option<&str>, body: &[u8]) -> Option<String> {
    let (method, path) = head.lines().next()?.split_once(' ')?;
    let body = String::from_utf8_lossy(body);
    let name = match target.and_then(|target| target.rsplit('.').next()) {
        Some(name) => name.to_owned(),
        None => match body.split('&').find_map(|field| field.strip_prefix("Action=")) {
            Some(name) => name.to_owned(),
            None if matches!(method, "GET" | "HEAD") => return None,
            None => format!("{method} {}", path.split(' ').next().unwrap_or_default()),
        },
    };
    let reads = ["Describe", "Get", "List", "Head", "BatchGet"].iter().any(|verb| name.starts_with(verb));
    (!reads).then_some(name)
}
